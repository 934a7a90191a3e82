# language: zh-CN
功能: 贷后检查频率、全面检查与双人现场

  背景:
    假如 一份贷款档案
    而且 账册日期为 2024-12-31
    而且 loan.balance 为 1000000
    而且 loan.grade 为 normal
    而且 loan.original_term_months 为 12
    而且 contract.signed_on 为 2023-08-23
    而且 rating.grade 为 A2
    而且 没有 warnings
    而且 disbursements 如下
      | loan_no | date       | amount  |
      | L1-01   | 2023-08-27 | 1000000 |

  场景大纲: PST-04 按五级分类、期限与信用等级确定检查间隔
    假如 loan.grade 为 <分类>
    而且 loan.original_term_months 为 <期限>
    而且 rating.grade 为 <等级>
    而且 inspections 如下
      | type    | done_on |
      | routine | <检查>  |
    当 按 PST-04 审查
    那么 决策 inspection_interval 为 <间隔>
    而且 结论为 <结论>

    例子:
      | 分类            | 期限 | 等级 | 间隔 | 检查       | 结论 |
      | normal          | 12   | A1   | 184  | 2024-06-30 | 通过 |
      | normal          | 12   | A1   | 184  | 2024-06-29 | 违反 |
      | normal          | 12   | A2   | 92   | 2024-09-30 | 通过 |
      | normal          | 12   | A2   | 92   | 2024-09-29 | 违反 |
      | normal          | 12   | B1   | 62   | 2024-10-30 | 通过 |
      | normal          | 12   | B1   | 62   | 2024-10-29 | 违反 |
      | normal          | 12   | B2   | 31   | 2024-11-30 | 通过 |
      | normal          | 12   | B2   | 31   | 2024-11-29 | 违反 |
      | normal          | 12   | C    | 31   | 2024-11-29 | 违反 |
      | normal          | 6    | A1   | 31   | 2024-11-30 | 通过 |
      | normal          | 6    | A1   | 31   | 2024-11-29 | 违反 |
      | normal          | 7    | A1   | 184  | 2024-11-29 | 通过 |
      | special_mention | 12   | A1   | 31   | 2024-11-30 | 通过 |
      | special_mention | 12   | A1   | 31   | 2024-11-29 | 违反 |
      | substandard     | 12   | A1   | 16   | 2024-12-15 | 通过 |
      | doubtful        | 12   | A1   | 16   | 2024-12-14 | 违反 |
      | loss            | 12   | A1   | 16   | 2024-12-14 | 违反 |

  场景大纲: PST-04 有未关闭红色预警的每周检查
    假如 warnings 如下
      | signal | level  | raised_on  | closed_on |
      | W02    | <级别> | 2024-11-01 | <关闭>    |
    而且 inspections 如下
      | type    | done_on |
      | special | <检查>  |
    当 按 PST-04 审查
    那么 结论为 <结论>

    例子:
      | 级别   | 关闭       | 检查       | 结论 |
      | red    |            | 2024-12-24 | 通过 |
      | red    |            | 2024-12-23 | 违反 |
      | red    | 2024-12-20 | 2024-12-01 | 通过 |
      | orange |            | 2024-12-01 | 通过 |

  场景: PST-04 放款未满一个间隔不适用
    假如 disbursements 如下
      | loan_no | date       | amount  |
      | L1-01   | 2024-09-30 | 1000000 |
    而且 没有 inspections
    当 按 PST-04 审查
    那么 结论为 不适用

  场景: PST-04 已结清不适用
    假如 loan.balance 为 0
    而且 没有 inspections
    当 按 PST-04 审查
    那么 结论为 不适用

  场景: PST-04 信用等级缺失
    假如 rating.grade 缺失
    而且 没有 inspections
    当 按 PST-04 审查
    那么 结论为 无法判断
    而且 缺少的事实为 rating.grade

  场景大纲: PST-05 年度全面检查
    假如 disbursements 如下
      | loan_no | date   | amount  |
      | L1-01   | <放款> | 1000000 |
    而且 inspections 如下
      | type   | done_on |
      | <类型> | <检查>  |
    当 按 PST-05 审查
    那么 结论为 <结论>

    例子:
      | 放款       | 类型    | 检查       | 结论     |
      | 2023-08-27 | full    | 2024-01-01 | 通过     |
      | 2023-08-27 | full    | 2023-12-31 | 违反     |
      | 2023-08-27 | routine | 2024-12-01 | 违反     |
      | 2023-12-31 | routine | 2024-12-01 | 违反     |
      | 2024-01-01 | routine | 2024-12-01 | 不适用   |
      | 2023-08-27 |         | 2024-12-01 | 无法判断 |

  场景: PST-05 已结清不适用
    假如 loan.balance 为 0
    而且 没有 inspections
    当 按 PST-05 审查
    那么 结论为 不适用

  场景: PST-05 检查记录缺失
    假如 inspections 缺失
    当 按 PST-05 审查
    那么 结论为 无法判断
    而且 缺少的事实为 inspections

  场景大纲: PST-07 双人现场检查
    假如 inspections 如下
      | type    | done_on    | staff        | on_site |
      | first   | 2023-09-05 | S0101, S0601 | true    |
      | routine | 2024-11-20 | <人员>       | <现场>  |
    当 按 PST-07 审查
    那么 结论为 <结论>

    例子:
      | 人员                | 现场  | 结论     |
      | S0102, S0601        | true  | 通过     |
      | S0102, S0601, S0603 | true  | 通过     |
      | S0102               | true  | 违反     |
      | S0102, S0102        | true  | 违反     |
      | S0102, S0601        | false | 违反     |
      | S0102, S0601        |       | 无法判断 |
      | S0102               |       | 违反     |

  场景: PST-07 仅有还款资金检查不适用
    假如 inspections 如下
      | type            | done_on    | staff | on_site |
      | repayment_funds | 2024-11-20 | S0101 | false   |
    当 按 PST-07 审查
    那么 结论为 不适用
