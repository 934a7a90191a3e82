# language: zh-CN
功能: 不动产抵押登记与短期持有房产

  背景:
    假如 一份贷款档案
    而且 账册日期为 2024-12-31

  场景大纲: LTV-02 登记不晚于放款
    假如 collateral 如下
      | kind   | registered_on |
      | <种类> | <登记>        |
    而且 disbursements 如下
      | loan_no | date   | amount  |
      | L1-01   | <放款> | 1000000 |
    当 按 LTV-02 审查
    那么 结论为 <结论>

    例子:
      | 种类           | 登记       | 放款       | 结论     |
      | commercial     | 2024-08-26 | 2024-08-27 | 通过     |
      | residential    | 2024-08-27 | 2024-08-27 | 通过     |
      | residential    | 2024-08-28 | 2024-08-27 | 违反     |
      | plant          | 2024-09-05 | 2024-08-27 | 违反     |
      | land_use_right | 2024-08-28 | 2024-08-27 | 违反     |
      | equipment      | 2024-08-28 | 2024-08-27 | 不适用   |
      | residential    | 2021-01-20 | 2020-12-31 | 不适用   |
      | residential    | 2021-01-20 | 2021-01-01 | 违反     |
      | residential    |            | 2024-08-27 | 无法判断 |
      | residential    | 2025-01-03 | 2024-12-31 | 未到期   |

  场景: LTV-02 其中一笔放款早于登记
    假如 collateral 如下
      | kind        | registered_on |
      | residential | 2024-08-27    |
      | equipment   |               |
    而且 disbursements 如下
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-18 | 1000000 |
      | L1-02   | 2024-09-18 | 1000000 |
    当 按 LTV-02 审查
    那么 结论为 违反

  场景: LTV-02 尚未放款不适用
    假如 collateral 如下
      | kind        | registered_on |
      | residential |               |
    而且 没有 disbursements
    当 按 LTV-02 审查
    那么 结论为 不适用

  场景大纲: LTV-09 购入至申请不足六个月
    假如 application.product 为 <产品>
    而且 application.received_on 为 2024-08-31
    而且 approval.decided_on 为 2024-09-20
    而且 collateral 如下
      | kind   | acquired_on |
      | <种类> | <购入>      |
    当 按 LTV-09 审查
    那么 结论为 <结论>

    例子:
      | 产品              | 种类        | 购入       | 结论     |
      | working_capital   | residential | 2024-02-29 | 通过     |
      | working_capital   | residential | 2024-03-01 | 违反     |
      | personal_business | commercial  | 2024-08-20 | 违反     |
      | personal_business | commercial  | 2015-05-10 | 通过     |
      | working_capital   | plant       | 2024-08-20 | 不适用   |
      | fixed_asset       | residential | 2024-08-20 | 不适用   |
      | working_capital   | residential |            | 无法判断 |
