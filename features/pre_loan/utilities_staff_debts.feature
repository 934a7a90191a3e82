# language: zh-CN
功能: 用电、社保与负债的交叉核验

  背景:
    假如 贷款档案“ordinary working-capital loan”

  场景大纲: XV-04 用电降幅与收入降幅的边界
    假如 third_party.electricity_kwh_prior 为 100000
    而且 third_party.electricity_kwh 为 <用电量>
    而且 declared.revenue_prior 为 20000000
    而且 declared.revenue 为 <收入>
    当 按 XV-04 审查
    那么 结论为 <结论>

    例子:
      | 用电量   | 收入        | 结论 |
      | 70000.01 | 20000000    | 通过 |
      | 70000    | 20000000    | 违反 |
      | 69999.99 | 20000000    | 违反 |
      | 65000    | 40000000    | 违反 |
      | 70000    | 18000000    | 通过 |
      | 70000    | 18000000.01 | 违反 |
      | 70000    | 17999999.99 | 通过 |
      | 120000   | 20000000    | 通过 |

  场景: XV-04 用电大幅下降但上年收入缺失
    假如 third_party.electricity_kwh 为 200000
    而且 declared.revenue_prior 缺失
    当 按 XV-04 审查
    那么 结论为 无法判断
    而且 缺少的事实为 declared.revenue_prior

  场景: XV-04 用电量未下降时不需要上年收入
    假如 declared.revenue_prior 缺失
    当 按 XV-04 审查
    那么 结论为 通过

  场景: XV-04 上年没有用电
    假如 third_party.electricity_kwh_prior 为 0
    当 按 XV-04 审查
    那么 结论为 不适用

  场景: XV-04 用电量缺失且收入未下降
    假如 third_party.electricity_kwh 缺失
    当 按 XV-04 审查
    那么 结论为 无法判断
    而且 缺少的事实为 third_party.electricity_kwh

  场景大纲: XV-05 参保比例的边界
    假如 declared.employees 为 <申报人数>
    而且 third_party.social_insurance_heads 为 <参保人数>
    当 按 XV-05 审查
    那么 结论为 <结论>

    例子:
      | 申报人数 | 参保人数 | 结论 |
      | 68       | 34       | 通过 |
      | 68       | 33       | 违反 |
      | 68       | 35       | 通过 |
      | 7        | 3        | 违反 |
      | 7        | 4        | 通过 |

  场景: XV-05 参保人数缺失
    假如 third_party.social_insurance_heads 缺失
    当 按 XV-05 审查
    那么 结论为 无法判断
    而且 缺少的事实为 third_party.social_insurance_heads

  场景: XV-05 不适用于固定资产贷款
    假如 application.product 为 fixed_asset
    而且 third_party.social_insurance_heads 为 0
    当 按 XV-05 审查
    那么 结论为 不适用

  场景大纲: XV-07 隐性负债的边界
    假如 declared.debt 为 6000000
    而且 bureau.balance 为 <征信余额>
    当 按 XV-07 审查
    那么 结论为 <结论>

    例子:
      | 征信余额   | 结论 |
      | 6000000    | 通过 |
      | 6599999.99 | 通过 |
      | 6600000    | 通过 |
      | 6600000.01 | 违反 |

  场景大纲: XV-07 未申报负债
    假如 declared.debt 为 0
    而且 bureau.balance 为 <征信余额>
    当 按 XV-07 审查
    那么 结论为 <结论>

    例子:
      | 征信余额 | 结论 |
      | 0        | 通过 |
      | 0.01     | 违反 |

  场景: XV-07 征信余额缺失
    假如 bureau.balance 缺失
    当 按 XV-07 审查
    那么 结论为 无法判断
    而且 缺少的事实为 bureau.balance

  场景: XV-07 不适用于未批准的申请
    假如 bureau.balance 为 90000000
    而且 approval.decision 为 withdrawn
    当 按 XV-07 审查
    那么 结论为 不适用
