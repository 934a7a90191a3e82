# language: zh-CN
功能: 担保圈与保证人能力

  背景:
    假如 贷款档案“ordinary working-capital loan”

  场景大纲: GUA-01 两户互保即构成担保圈
    假如 network.circle_size 为 <企业数>
    当 按 GUA-01 审查
    那么 结论为 <结论>

    例子:
      | 企业数 | 结论 |
      | 1      | 通过 |
      | 2      | 违反 |
      | 3      | 违反 |

  场景: GUA-01 担保网络未识别
    假如 network.circle_size 缺失
    当 按 GUA-01 审查
    那么 结论为 无法判断
    而且 缺少的事实为 network.circle_size

  场景: GUA-01 不适用于未批准的申请
    假如 network.circle_size 为 3
    而且 approval.decision 为 rejected
    当 按 GUA-01 审查
    那么 结论为 不适用

  场景大纲: GUA-02 圈内逾期后列入关注
    假如 network.circle_size 为 3
    而且 network.circle_overdue_members 为 <逾期户数>
    而且 loan.grade 为 <五级分类>
    当 按 GUA-02 审查
    那么 结论为 <结论>

    例子:
      | 逾期户数 | 五级分类        | 结论 |
      | 0        | normal          | 通过 |
      | 1        | normal          | 违反 |
      | 2        | normal          | 违反 |
      | 1        | special_mention | 通过 |
      | 1        | substandard     | 通过 |

  场景大纲: GUA-02 已发出担保圈预警
    假如 network.circle_size 为 3
    而且 network.circle_overdue_members 为 1
    而且 warnings 如下
      | signal | level  | raised_on  | owner_id |
      | <信号> | orange | 2024-12-02 | S0101    |
    当 按 GUA-02 审查
    那么 结论为 <结论>

    例子:
      | 信号 | 结论 |
      | W19  | 通过 |
      | W10  | 违反 |

  场景大纲: GUA-02 不处于担保圈或已结清
    假如 network.circle_size 为 <企业数>
    而且 network.circle_overdue_members 为 1
    而且 loan.balance 为 <余额>
    当 按 GUA-02 审查
    那么 结论为 不适用

    例子:
      | 企业数 | 余额    |
      | 1      | 3000000 |
      | 3      | 0       |

  场景: GUA-02 圈内逾期情况缺失
    假如 network.circle_size 为 3
    而且 network.circle_overdue_members 缺失
    当 按 GUA-02 审查
    那么 结论为 无法判断
    而且 缺少的事实为 network.circle_overdue_members

  场景大纲: GUA-03 押品覆盖率的边界
    假如 network.circle_size 为 2
    而且 approval.amount 为 3000000
    而且 collateral 如下
      | id      | kind       | bank_value   | prior_liens |
      | P000001 | commercial | <认定价值>   | <在先抵押>  |
    当 按 GUA-03 审查
    那么 结论为 <结论>

    例子:
      | 认定价值   | 在先抵押 | 结论     |
      | 1499999.99 | 0        | 违反     |
      | 1500000    | 0        | 通过     |
      | 1500000.01 | 0        | 通过     |
      | 2000000    | 500000   | 通过     |
      | 2000000    | 500000.01 | 违反    |
      |            | 0        | 无法判断 |

  场景: GUA-03 没有押品
    假如 network.circle_size 为 2
    而且 没有 collateral
    当 按 GUA-03 审查
    那么 结论为 违反

  场景: GUA-03 押品清单缺失
    假如 network.circle_size 为 2
    而且 collateral 缺失
    当 按 GUA-03 审查
    那么 结论为 无法判断
    而且 缺少的事实为 collateral

  场景: GUA-03 没有保证的贷款不适用
    假如 network.circle_size 为 2
    而且 没有 guarantees
    而且 没有 collateral
    当 按 GUA-03 审查
    那么 结论为 不适用

  场景: GUA-03 续贷不适用
    假如 贷款档案“secured renewal”
    而且 network.circle_size 为 2
    而且 没有 collateral
    当 按 GUA-03 审查
    那么 结论为 不适用

  场景: GUA-03 不处于担保圈
    假如 没有 collateral
    当 按 GUA-03 审查
    那么 结论为 不适用

  场景大纲: GUA-04 融资担保公司的倍数与单户比例
    假如 guarantees 如下
      | guarantor_id | kind              | amount     | net_assets | outstanding |
      | D000001      | guarantee_company | <担保金额> | <净资产>   | <责任余额>  |
    当 按 GUA-04 审查
    那么 结论为 <结论>

    例子:
      | 担保金额    | 净资产    | 责任余额      | 结论     |
      | 3000000     | 100000000 | 1000000000    | 通过     |
      | 3000000     | 100000000 | 1499999999.99 | 通过     |
      | 3000000     | 100000000 | 1500000000    | 通过     |
      | 3000000     | 100000000 | 1500000000.01 | 违反     |
      | 10000000    | 100000000 | 1000000000    | 通过     |
      | 10000000.01 | 100000000 | 1000000000    | 违反     |
      | 3000000     |           | 1000000000    | 无法判断 |

  场景: GUA-04 没有融资担保公司
    当 按 GUA-04 审查
    那么 结论为 不适用

  场景: GUA-04 保证清单缺失
    假如 guarantees 缺失
    当 按 GUA-04 审查
    那么 结论为 无法判断
    而且 缺少的事实为 guarantees

  场景大纲: CON-04 保证人户数与净资产的边界
    假如 guarantees 如下
      | guarantor_id | kind         | amount  | net_assets | outstanding | guaranteed_count |
      | X000001      | <保证人类型> | 3000000 | 10000000   | <担保余额>  | <被保证户数>     |
    当 按 CON-04 审查
    那么 结论为 <结论>

    例子:
      | 保证人类型        | 担保余额    | 被保证户数 | 结论     |
      | company           | 9999999.99  | 4          | 通过     |
      | company           | 10000000    | 5          | 通过     |
      | company           | 10000000.01 | 5          | 违反     |
      | company           | 10000000    | 6          | 违反     |
      | person            | 10000000    | 6          | 违反     |
      | person            | 10000000    |            | 无法判断 |
      | guarantee_company | 90000000    | 300        | 不适用   |

  场景: CON-04 一名保证人超限即违反
    假如 guarantees 如下
      | guarantor_id | kind    | amount  | net_assets | outstanding | guaranteed_count |
      | X000001      | company | 3000000 | 10000000   | 3000000     | 1                |
      | X000002      | person  | 3000000 | 2000000    | 3000000     | 1                |
    当 按 CON-04 审查
    那么 结论为 违反
