# language: zh-CN
功能: 资料齐全与时效
  用途证明、公司保证人决议与财务报表。

  背景:
    假如 贷款档案“ordinary working-capital loan”

  场景: DOC-05 用途证明齐全
    当 按 DOC-05 审查
    那么 结论为 通过

  场景: DOC-05 资料中没有用途证明
    假如 documents 如下
      | type             | received_on | dated      |
      | business_licence | 2024-08-05  | 2022-03-15 |
      | credit_report    | 2024-08-06  | 2024-08-06 |
    当 按 DOC-05 审查
    那么 结论为 违反

  场景: DOC-05 没有任何资料
    假如 没有 documents
    当 按 DOC-05 审查
    那么 结论为 违反

  场景: DOC-05 审批之后补交的用途证明不算
    假如 documents 如下
      | type             | received_on | dated      |
      | purpose_evidence | 2024-08-22  | 2024-07-29 |
    当 按 DOC-05 审查
    那么 结论为 违反

  场景: DOC-05 审批当日收到的用途证明有效
    假如 documents 如下
      | type             | received_on | dated      |
      | purpose_evidence | 2024-08-21  | 2024-07-29 |
    当 按 DOC-05 审查
    那么 结论为 通过

  场景: DOC-05 不限于当时已知信息时可见后补资料
    假如 documents 如下
      | type             | received_on | dated      |
      | purpose_evidence | 2024-08-22  | 2024-07-29 |
    而且 不限于当时已知信息
    当 按 DOC-05 审查
    那么 结论为 通过

  场景大纲: DOC-05 金额边界
    假如 application.amount 为 <金额>
    而且 没有 documents
    当 按 DOC-05 审查
    那么 结论为 <结论>

    例子:
      | 金额      | 结论   |
      | 499999.99 | 不适用 |
      | 500000    | 不适用 |
      | 500000.01 | 违反   |

  场景: DOC-05 续贷归还原贷款，不再要求用途证明
    假如 application.issue_type 为 renewal_no_principal
    而且 没有 documents
    当 按 DOC-05 审查
    那么 结论为 不适用

  场景: DOC-05 资料清单缺失
    假如 documents 缺失
    当 按 DOC-05 审查
    那么 结论为 无法判断
    而且 缺少的事实为 documents

  场景大纲: DOC-07 决议日期的边界
    假如 guarantees 如下
      | guarantor_id | kind    | amount  | type  | resolution_on |
      | C000902      | company | 3000000 | joint | <决议日>      |
    当 按 DOC-07 审查
    那么 结论为 <结论>

    例子:
      | 决议日     | 结论 |
      | 2024-08-22 | 通过 |
      | 2024-08-23 | 通过 |
      | 2024-08-24 | 违反 |

  场景: DOC-07 未见决议
    假如 guarantees 如下
      | guarantor_id | kind    | amount  | type  | resolution_on |
      | C000902      | company | 3000000 | joint |               |
      | C000903      | company | 3000000 | joint | 2024-08-20    |
    当 按 DOC-07 审查
    那么 结论为 违反

  场景大纲: DOC-07 个人与融资担保公司无须决议
    假如 guarantees 如下
      | guarantor_id | kind         | amount  | type  | resolution_on |
      | X000001      | <保证人类型> | 3000000 | joint |               |
    当 按 DOC-07 审查
    那么 结论为 不适用

    例子:
      | 保证人类型        |
      | person            |
      | guarantee_company |

  场景: DOC-07 没有保证
    假如 没有 guarantees
    当 按 DOC-07 审查
    那么 结论为 不适用

  场景: DOC-07 保证清单缺失
    假如 guarantees 缺失
    当 按 DOC-07 审查
    那么 结论为 无法判断
    而且 缺少的事实为 guarantees

  场景: DOC-07 保证人类型缺失
    假如 guarantees 如下
      | guarantor_id | kind | amount  | type  | resolution_on |
      | X000001      |      | 3000000 | joint |               |
    当 按 DOC-07 审查
    那么 结论为 无法判断

  场景大纲: DOC-07 自担保制度解释施行之日起适用
    假如 guarantees 如下
      | guarantor_id | kind    | amount  | type  | resolution_on |
      | C000902      | company | 3000000 | joint |               |
    而且 approval.decided_on 为 <签订日>
    而且 contract.signed_on 为 <签订日>
    当 按 DOC-07 审查
    那么 结论为 <结论>

    例子:
      | 签订日     | 结论   |
      | 2020-12-31 | 不适用 |
      | 2021-01-01 | 违反   |

  场景大纲: DOC-12 报表时效的边界
    假如 documents 如下
      | type                | received_on | dated    |
      | financial_statement | 2024-08-06  | <报表日> |
    当 按 DOC-12 审查
    那么 结论为 <结论>

    例子:
      | 报表日     | 结论 |
      | 2024-02-19 | 违反 |
      | 2024-02-20 | 通过 |
      | 2024-02-21 | 通过 |

  场景: DOC-12 两期报表中有一期在时效内
    假如 documents 如下
      | type                | received_on | dated      |
      | financial_statement | 2024-08-06  | 2023-12-31 |
      | financial_statement | 2024-08-06  | 2024-06-30 |
    当 按 DOC-12 审查
    那么 结论为 通过

  场景: DOC-12 报表日期缺失
    假如 documents 如下
      | type                | received_on | dated |
      | financial_statement | 2024-08-06  |       |
    当 按 DOC-12 审查
    那么 结论为 无法判断

  场景: DOC-12 不适用于自然人
    假如 borrower.kind 为 individual_owner
    而且 没有 documents
    当 按 DOC-12 审查
    那么 结论为 不适用
