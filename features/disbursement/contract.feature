# language: zh-CN
功能: 保证方式与签约

  背景:
    假如 一份贷款档案
    而且 账册日期为 2024-12-31
    而且 contract.signed_on 为 2024-08-23
    而且 approval.decided_on 为 2024-08-21
    而且 approval.decision 为 approved

  场景大纲: CTR-02 保证合同约定连带责任
    假如 contract.signed_on 为 <签订>
    而且 approval.decided_on 为 <签订>
    而且 guarantees 如下
      | guarantor_id | kind    | type   |
      | C000902      | company | joint  |
      | P000903      | person  | <方式> |
    当 按 CTR-02 审查
    那么 结论为 <结论>

    例子:
      | 签订       | 方式    | 结论     |
      | 2024-08-23 | joint   | 通过     |
      | 2024-08-23 | general | 违反     |
      | 2021-01-01 | general | 违反     |
      | 2020-12-31 | general | 不适用   |
      | 2024-08-23 |         | 无法判断 |

  场景: CTR-02 无保证不适用
    假如 没有 guarantees
    当 按 CTR-02 审查
    那么 结论为 不适用

  场景: CTR-02 否决的贷款不适用
    假如 approval.decision 为 rejected
    而且 guarantees 如下
      | guarantor_id | kind    | type    |
      | C000902      | company | general |
    当 按 CTR-02 审查
    那么 结论为 不适用

  场景大纲: CTR-06 批复有效期内面签
    假如 contract.signed_on 为 <签订>
    而且 contract.face_to_face 为 <面签>
    当 按 CTR-06 审查
    那么 结论为 <结论>

    例子:
      | 签订       | 面签  | 结论 |
      | 2024-08-21 | true  | 通过 |
      | 2024-08-20 | true  | 违反 |
      | 2024-11-19 | true  | 通过 |
      | 2024-11-20 | true  | 违反 |
      | 2024-08-23 | false | 违反 |

  场景: CTR-06 否决的贷款不适用
    假如 approval.decision 为 rejected
    当 按 CTR-06 审查
    那么 结论为 不适用

  场景: CTR-06 未登记是否面签
    当 按 CTR-06 审查
    那么 结论为 无法判断
    而且 缺少的事实为 contract.face_to_face
