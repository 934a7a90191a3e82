# language: zh-CN
功能: 调查报告与实地影像真实
  报告不得雷同，不同日期的走访不得使用同一影像。

  背景:
    假如 贷款档案“ordinary working-capital loan”

  场景大纲: PRE-27 相似度的边界
    假如 investigation.report_similarity 为 <相似度>
    当 按 PRE-27 审查
    那么 结论为 <结论>

    例子:
      | 相似度     | 结论 |
      | 0          | 通过 |
      | 0.89999999 | 通过 |
      | 0.9        | 违反 |
      | 0.90000001 | 违反 |
      | 1          | 违反 |

  场景: PRE-27 未计算相似度
    假如 investigation.report_similarity 缺失
    当 按 PRE-27 审查
    那么 结论为 无法判断
    而且 缺少的事实为 investigation.report_similarity

  场景: PRE-27 不适用于未批准的申请
    假如 investigation.report_similarity 为 1
    而且 approval.decision 为 rejected
    当 按 PRE-27 审查
    那么 结论为 不适用

  场景: PRE-28 每次走访均有自己的影像
    当 按 PRE-28 审查
    那么 结论为 通过

  场景: PRE-28 两次走访使用同一影像
    假如 visits 如下
      | date       | staff        | on_site | photos     |
      | 2024-08-09 | S0101, S0102 | true    | a1, b2, c3 |
      | 2024-08-12 | S0101, S0102 | true    | d4, b2     |
    当 按 PRE-28 审查
    那么 结论为 违反

  场景: PRE-28 同一天的两条记录可以使用同一影像
    假如 visits 如下
      | date       | staff | on_site | photos |
      | 2024-08-09 | S0101 | true    | a1, b2 |
      | 2024-08-09 | S0102 | true    | a1, b2 |
    当 按 PRE-28 审查
    那么 结论为 通过

  场景: PRE-28 三次走访中第一次与第三次影像重复
    假如 visits 如下
      | date       | staff | on_site | photos |
      | 2024-08-07 | S0101 | true    | a1     |
      | 2024-08-09 | S0101 | true    | b2     |
      | 2024-08-12 | S0101 | true    | c3, a1 |
    当 按 PRE-28 审查
    那么 结论为 违反

  场景: PRE-28 一次走访的影像缺失
    假如 visits 如下
      | date       | staff | on_site | photos |
      | 2024-08-09 | S0101 | true    | a1, b2 |
      | 2024-08-12 | S0102 | true    |        |
    当 按 PRE-28 审查
    那么 结论为 无法判断

  场景: PRE-28 只有一次走访
    假如 visits 如下
      | date       | staff | on_site | photos |
      | 2024-08-09 | S0101 | true    | a1, b2 |
    当 按 PRE-28 审查
    那么 结论为 不适用

  场景: PRE-28 走访记录缺失
    假如 visits 缺失
    当 按 PRE-28 审查
    那么 结论为 无法判断
    而且 缺少的事实为 visits
