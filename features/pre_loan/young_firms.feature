# language: zh-CN
功能: 新设、新受让与实际控制人变更
  成立、受让股权或持有房产不足一年（365天）的须强化核查；实际控制人持股满六个月。

  背景:
    假如 贷款档案“ordinary working-capital loan”

  场景大纲: PRE-03 成立时间的边界
    假如 borrower.established_on 为 <成立日>
    而且 investigation.enhanced 为 <强化核查>
    当 按 PRE-03 审查
    那么 结论为 <结论>

    例子:
      | 成立日     | 强化核查 | 结论   |
      | 2023-08-05 | false    | 不适用 |
      | 2023-08-06 | false    | 不适用 |
      | 2023-08-07 | false    | 违反   |
      | 2023-08-07 | true     | 通过   |
      | 2024-01-15 | false    | 违反   |

  场景大纲: PRE-03 受让股权时间的边界
    假如 borrower.controller_share_since 为 <受让日>
    当 按 PRE-03 审查
    那么 结论为 <结论>

    例子:
      | 受让日     | 结论   |
      | 2023-08-06 | 不适用 |
      | 2023-08-07 | 违反   |

  场景大纲: PRE-03 只看房产的持有时间
    假如 collateral 如下
      | id      | kind   | acquired_on | bank_value |
      | P000099 | <押品> | <取得日>    | 8000000    |
    当 按 PRE-03 审查
    那么 结论为 <结论>

    例子:
      | 押品        | 取得日     | 结论   |
      | residential | 2023-08-06 | 不适用 |
      | residential | 2023-08-07 | 违反   |
      | commercial  | 2023-12-01 | 违反   |
      | plant       | 2023-12-01 | 违反   |
      | equipment   | 2023-12-01 | 不适用 |
      | own_deposit | 2024-08-01 | 不适用 |

  场景: PRE-03 成立日缺失且其余均满一年
    假如 borrower.established_on 缺失
    当 按 PRE-03 审查
    那么 结论为 无法判断

  场景: PRE-03 已属新设企业，强化核查情况缺失
    假如 borrower.established_on 为 2024-01-15
    而且 investigation.enhanced 缺失
    当 按 PRE-03 审查
    那么 结论为 无法判断
    而且 缺少的事实为 investigation.enhanced

  场景: PRE-03 押品清单缺失时无法排除短期持有
    假如 collateral 缺失
    当 按 PRE-03 审查
    那么 结论为 无法判断

  场景大纲: PRE-03 自2021年3月26日起施行
    假如 borrower.established_on 为 2024-01-15
    而且 approval.decided_on 为 <审批日>
    而且 不限于当时已知信息
    当 按 PRE-03 审查
    那么 结论为 <结论>

    例子:
      | 审批日     | 结论   |
      | 2021-03-25 | 不适用 |
      | 2021-03-26 | 违反   |

  场景: PRE-03 不适用于消费贷款
    假如 application.product 为 personal_consumption
    而且 borrower.established_on 为 2024-01-15
    当 按 PRE-03 审查
    那么 结论为 不适用

  场景大纲: PRE-12 实际控制人持股时间的边界
    假如 borrower.controller_share_since 为 <持股起始日>
    当 按 PRE-12 审查
    那么 结论为 <结论>

    例子:
      | 持股起始日 | 结论 |
      | 2024-02-04 | 通过 |
      | 2024-02-05 | 通过 |
      | 2024-02-06 | 违反 |
      | 2024-08-01 | 违反 |

  场景大纲: PRE-12 月末的六个月
    假如 application.received_on 为 <申请日>
    而且 borrower.controller_share_since 为 2023-08-31
    当 按 PRE-12 审查
    那么 结论为 <结论>

    例子:
      | 申请日     | 结论 |
      | 2024-02-28 | 违反 |
      | 2024-02-29 | 通过 |

  场景大纲: PRE-12 的适用范围
    假如 borrower.controller_share_since 为 2024-07-01
    而且 <事实> 为 <取值>
    当 按 PRE-12 审查
    那么 结论为 不适用

    例子:
      | 事实              | 取值             |
      | borrower.kind     | individual_owner |
      | borrower.kind     | sole_trader      |
      | approval.decision | rejected         |

  场景: PRE-12 持股起始日缺失
    假如 borrower.controller_share_since 缺失
    当 按 PRE-12 审查
    那么 结论为 无法判断
    而且 缺少的事实为 borrower.controller_share_since
