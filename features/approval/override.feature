# language: zh-CN
功能: 模型评级调整

  背景:
    假如 一份贷款档案
    而且 approval.decided_on 为 2024-08-21
    而且 rating.override_reason 为 "新增长期订单"
    而且 rating.override_approver_id 为 "S0402"

  场景大纲: APR-08 最多上调一级
    假如 rating.model_grade 为 <模型等级>
    而且 rating.grade 为 <等级>
    当 按 APR-08 审查
    那么 结论为 <结论>

    例子:
      | 模型等级 | 等级 | 结论   |
      | B1       | A2   | 通过   |
      | A2       | A1   | 通过   |
      | B1       | A1   | 违反   |
      | C        | B1   | 违反   |
      | C        | B2   | 通过   |
      | A1       | B2   | 通过   |
      | B1       | B1   | 不适用 |

  场景: APR-08 未见调整理由
    假如 rating.model_grade 为 B1
    而且 rating.grade 为 A2
    而且 rating.override_reason 缺失
    当 按 APR-08 审查
    那么 结论为 违反

  场景: APR-08 未见复核人
    假如 rating.model_grade 为 B1
    而且 rating.grade 为 B2
    而且 rating.override_approver_id 缺失
    当 按 APR-08 审查
    那么 结论为 违反

  场景: APR-08 模型等级缺失
    假如 rating.grade 为 A2
    当 按 APR-08 审查
    那么 结论为 无法判断
    而且 缺少的事实为 rating.model_grade
