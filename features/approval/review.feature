# language: zh-CN
功能: 审查独立、用时与实质性

  背景:
    假如 一份贷款档案
    而且 approval.decided_on 为 2024-08-21
    而且 approval.decision 为 approved
    而且 review.reviewer_id 为 "S0301"

  场景: APR-03 审查人未参与调查
    假如 review.attended_visit 为 false
    而且 visits 如下
      | date       | staff        |
      | 2024-08-09 | S0101, S0102 |
    当 按 APR-03 审查
    那么 结论为 通过

  场景: APR-03 审查人登记为参与调查
    假如 review.attended_visit 为 true
    而且 没有 visits
    当 按 APR-03 审查
    那么 结论为 违反

  场景: APR-03 审查人出现在到场人员中
    假如 review.attended_visit 为 false
    而且 visits 如下
      | date       | staff        |
      | 2024-08-09 | S0101, S0102 |
      | 2024-08-12 | S0101, S0301 |
    当 按 APR-03 审查
    那么 结论为 违反

  场景: APR-03 撤回的申请不适用
    假如 approval.decision 为 withdrawn
    当 按 APR-03 审查
    那么 结论为 不适用

  场景: APR-03 未登记是否参与调查
    假如 review.attended_visit 缺失
    而且 visits 如下
      | date       | staff        |
      | 2024-08-09 | S0101, S0102 |
    当 按 APR-03 审查
    那么 结论为 无法判断
    而且 缺少的事实为 review.attended_visit

  场景大纲: APR-04 审查用时不少于十五分钟
    假如 review.opinion 为 agree
    而且 review.received_at 为 2024-08-19T09:00:00
    而且 review.done_at 为 <完成>
    当 按 APR-04 审查
    那么 结论为 <结论>

    例子:
      | 完成                | 结论 |
      | 2024-08-19T09:15:00 | 通过 |
      | 2024-08-19T09:15:01 | 通过 |
      | 2024-08-19T09:14:59 | 违反 |
      | 2024-08-19T08:50:00 | 违反 |
      | 2024-08-20T09:00:00 | 通过 |

  场景: APR-04 不同意的意见不适用
    假如 review.opinion 为 disagree
    而且 review.received_at 为 2024-08-19T09:00:00
    而且 review.done_at 为 2024-08-19T09:01:00
    当 按 APR-04 审查
    那么 结论为 不适用

  场景: APR-04 收件时间缺失
    假如 review.opinion 为 agree
    而且 review.done_at 为 2024-08-19T09:15:00
    当 按 APR-04 审查
    那么 结论为 无法判断
    而且 缺少的事实为 review.received_at

  场景大纲: APR-05 实质性审查留痕
    假如 review.opinion 为 <意见>
    而且 review.questions 为 <问题数>
    当 按 APR-05 审查
    那么 结论为 <结论>

    例子:
      | 意见                  | 问题数 | 结论 |
      | agree                 | 0      | 违反 |
      | agree                 | 1      | 通过 |
      | agree                 | 2      | 通过 |
      | agree_with_conditions | 0      | 通过 |
      | disagree              | 0      | 通过 |

  场景: APR-05 撤回的申请不适用
    假如 approval.decision 为 withdrawn
    当 按 APR-05 审查
    那么 结论为 不适用

  场景: APR-05 问题数缺失
    假如 review.opinion 为 agree
    当 按 APR-05 审查
    那么 结论为 无法判断
    而且 缺少的事实为 review.questions
