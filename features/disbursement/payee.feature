# language: zh-CN
功能: 收款人与批复条件

  背景:
    假如 一份贷款档案
    而且 账册日期为 2024-12-31

  场景大纲: PAY-07 收款人无关联且有交易合同
    假如 payments 如下
      | date       | payee | mode   | related_to | contract_no |
      | 2024-08-27 | 甲公司 | <方式> | <关联>     | <合同>      |
    当 按 PAY-07 审查
    那么 结论为 <结论>

    例子:
      | 方式      | 关联      | 合同        | 结论     |
      | entrusted | none      | CG2024-0715 | 通过     |
      | entrusted | borrower  | CG2024-0715 | 违反     |
      | entrusted | guarantor | CG2024-0715 | 违反     |
      | self      | staff     | CG2024-0715 | 违反     |
      | entrusted | none      |             | 违反     |
      | self      | none      |             | 通过     |
      | entrusted |           | CG2024-0715 | 无法判断 |
      | entrusted |           |             | 违反     |

  场景: PAY-07 账册当日的支付当日仍可更正
    假如 payments 如下
      | date       | payee | mode | related_to |
      | 2024-12-31 | 甲公司 | self | staff      |
    当 按 PAY-07 审查
    那么 结论为 未到期

  场景: PAY-07 尚无支付不适用
    假如 没有 payments
    当 按 PAY-07 审查
    那么 结论为 不适用

  场景: PAY-07 支付明细缺失
    假如 payments 缺失
    当 按 PAY-07 审查
    那么 结论为 无法判断
    而且 缺少的事实为 payments

  场景大纲: PAY-09 放款前批复条件全部落实
    假如 conditions 如下
      | text     | met_on     |
      | 办妥登记 | 2024-08-20 |
      | 投保     | <落实>     |
    而且 disbursements 如下
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-27 | 1000000 |
    当 按 PAY-09 审查
    那么 结论为 <结论>

    例子:
      | 落实       | 结论     |
      | 2024-08-26 | 通过     |
      | 2024-08-27 | 通过     |
      | 2024-08-28 | 违反     |
      |            | 无法判断 |

  场景: PAY-09 任何一笔放款早于条件落实
    假如 conditions 如下
      | text | met_on     |
      | 投保 | 2024-08-27 |
    而且 disbursements 如下
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-26 | 1000000 |
      | L1-02   | 2024-09-27 | 1000000 |
    当 按 PAY-09 审查
    那么 结论为 违反

  场景: PAY-09 账册当日的放款当日仍可落实
    假如 conditions 如下
      | text | met_on     |
      | 投保 | 2025-01-03 |
    而且 disbursements 如下
      | loan_no | date       | amount  |
      | L1-01   | 2024-12-31 | 1000000 |
    当 按 PAY-09 审查
    那么 结论为 未到期

  场景: PAY-09 无批复条件不适用
    假如 没有 conditions
    而且 disbursements 如下
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-27 | 1000000 |
    当 按 PAY-09 审查
    那么 结论为 不适用

  场景: PAY-09 尚未放款不适用
    假如 conditions 如下
      | text | met_on |
      | 投保 |        |
    而且 没有 disbursements
    当 按 PAY-09 审查
    那么 结论为 不适用
