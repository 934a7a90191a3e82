# language: zh-CN
功能: 贷款资金流入禁止领域

  背景:
    假如 一份贷款档案
    而且 账册日期为 2024-12-31
    而且 disbursements 如下
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-27 | 2000000 |

  场景大纲: FND-04 证券与理财
    假如 transactions 如下
      | date       | amount  | party    | cleared_on |
      | 2024-08-28 | 1500000 | supplier |            |
      | 2024-08-30 | 0.01    | <类别>   | <排除>     |
    当 按 FND-04 审查
    那么 结论为 <结论>

    例子:
      | 类别       | 排除       | 结论     |
      | supplier   |            | 通过     |
      | securities |            | 违反     |
      | wealth     |            | 违反     |
      | securities | 2024-09-30 | 通过     |
      | property   |            | 通过     |
      |            |            | 无法判断 |
      |            | 2024-09-30 | 通过     |

  场景: FND-04 无资金流水
    假如 没有 transactions
    当 按 FND-04 审查
    那么 结论为 通过

  场景大纲: FND-05 房地产
    假如 transactions 如下
      | date       | amount | party  | cleared_on |
      | 2024-08-30 | 300000 | <类别> | <排除>     |
    当 按 FND-05 审查
    那么 结论为 <结论>

    例子:
      | 类别       | 排除       | 结论     |
      | supplier   |            | 通过     |
      | property   |            | 违反     |
      | property   | 2024-09-30 | 通过     |
      | securities |            | 通过     |
      |            |            | 无法判断 |
