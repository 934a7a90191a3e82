# language: zh-CN
功能: 征信查询授权与时效

  背景:
    假如 贷款档案“ordinary working-capital loan”

  场景大纲: CB-01 授权与查询的先后及用途
    假如 queries 如下
      | subject    | consent_signed_on | queried_on | reason |
      | firm       | 2024-08-05        | 2024-08-06 | loan_approval |
      | <查询对象> | <授权日>          | 2024-08-06 | <原因> |
    当 按 CB-01 审查
    那么 结论为 <结论>

    例子:
      | 查询对象   | 授权日     | 原因             | 结论     |
      | controller | 2024-08-05 | loan_approval    | 通过     |
      | controller | 2024-08-06 | loan_approval    | 通过     |
      | controller | 2024-08-07 | loan_approval    | 违反     |
      | spouse     | 2024-08-07 | loan_approval    | 违反     |
      | guarantor  | 2024-08-05 | guarantor_review | 通过     |
      | guarantor  | 2024-08-07 | guarantor_review | 违反     |
      | controller | 2024-08-05 | other            | 违反     |
      | controller |            | loan_approval    | 无法判断 |
      | controller | 2024-08-05 |                  | 无法判断 |

  场景: CB-01 只查询了企业
    假如 queries 如下
      | subject | consent_signed_on | queried_on | reason        |
      | firm    | 2024-08-09        | 2024-08-06 | loan_approval |
    当 按 CB-01 审查
    那么 结论为 不适用

  场景: CB-01 没有查询
    假如 没有 queries
    当 按 CB-01 审查
    那么 结论为 不适用

  场景: CB-01 查询记录缺失
    假如 queries 缺失
    当 按 CB-01 审查
    那么 结论为 无法判断
    而且 缺少的事实为 queries

  场景大纲: DOC-02 企业征信授权的先后
    假如 queries 如下
      | subject | consent_signed_on | queried_on | reason        |
      | firm    | <授权日>          | 2024-08-06 | loan_approval |
    当 按 DOC-02 审查
    那么 结论为 <结论>

    例子:
      | 授权日     | 结论     |
      | 2024-08-05 | 通过     |
      | 2024-08-06 | 通过     |
      | 2024-08-07 | 违反     |
      |            | 无法判断 |

  场景: DOC-02 未查询企业
    假如 queries 如下
      | subject    | consent_signed_on | queried_on | reason        |
      | controller | 2024-08-09        | 2024-08-06 | loan_approval |
    当 按 DOC-02 审查
    那么 结论为 不适用

  场景大纲: CB-02 征信报告时效的边界
    假如 queries 如下
      | subject    | consent_signed_on | queried_on   | reason        |
      | firm       | 2024-07-01        | <企业查询日> | loan_approval |
      | controller | 2024-07-01        | <实控人查询日> | loan_approval |
    当 按 CB-02 审查
    那么 结论为 <结论>

    例子:
      | 企业查询日 | 实控人查询日 | 结论 |
      | 2024-08-21 | 2024-08-21   | 通过 |
      | 2024-07-22 | 2024-07-22   | 通过 |
      | 2024-07-23 | 2024-07-22   | 通过 |
      | 2024-07-21 | 2024-07-22   | 违反 |
      | 2024-07-22 | 2024-07-21   | 违反 |

  场景: CB-02 未查询实际控制人
    假如 queries 如下
      | subject | consent_signed_on | queried_on | reason        |
      | firm    | 2024-08-05        | 2024-08-06 | loan_approval |
    当 按 CB-02 审查
    那么 结论为 违反

  场景: CB-02 自然人借款无须查询企业
    假如 贷款档案“ordinary personal business loan”
    当 按 CB-02 审查
    那么 结论为 通过

  场景: CB-02 审批之后的查询不算
    假如 queries 如下
      | subject    | consent_signed_on | queried_on | reason        |
      | firm       | 2024-08-05        | 2024-08-22 | loan_approval |
      | controller | 2024-08-05        | 2024-08-22 | loan_approval |
    而且 不限于当时已知信息
    当 按 CB-02 审查
    那么 结论为 违反

  场景: CB-02 查询记录缺失
    假如 queries 缺失
    当 按 CB-02 审查
    那么 结论为 无法判断
    而且 缺少的事实为 queries

  场景: CB-02 不适用于未批准的申请
    假如 没有 queries
    而且 approval.decision 为 rejected
    当 按 CB-02 审查
    那么 结论为 不适用
