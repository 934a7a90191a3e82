# language: zh-CN
功能: 续贷须在到期前办理

  背景:
    假如 一份贷款档案
    而且 application.issue_type 为 renewal_no_principal
    而且 approval.decision 为 approved
    而且 application.prior_maturity_on 为 2024-10-18

  场景大纲: REN-02 到期前申请、到期日前审批
    假如 application.received_on 为 <申请>
    而且 approval.decided_on 为 <审批>
    当 按 REN-02 审查
    那么 结论为 <结论>

    例子:
      | 申请       | 审批       | 结论 |
      | 2024-09-09 | 2024-09-27 | 通过 |
      | 2024-10-17 | 2024-10-18 | 通过 |
      | 2024-10-17 | 2024-10-19 | 违反 |
      | 2024-10-18 | 2024-10-18 | 违反 |
      | 2024-10-25 | 2024-11-01 | 违反 |

  场景: REN-02 通知发布前适用本行规定
    假如 application.prior_maturity_on 为 2023-10-18
    而且 application.received_on 为 2023-10-20
    而且 approval.decided_on 为 2023-10-25
    当 按 REN-02 审查
    那么 结论为 违反
    而且 适用版本始于 2018-01-01

  场景: REN-02 通知发布后适用新版本
    假如 application.received_on 为 2024-09-09
    而且 approval.decided_on 为 2024-09-24
    当 按 REN-02 审查
    那么 结论为 通过
    而且 适用版本始于 2024-09-24

  场景: REN-02 新发放贷款不适用
    假如 application.issue_type 为 new
    而且 approval.decided_on 为 2024-11-01
    当 按 REN-02 审查
    那么 结论为 不适用

  场景: REN-02 原到期日缺失
    假如 application.prior_maturity_on 缺失
    而且 application.received_on 为 2024-09-09
    而且 approval.decided_on 为 2024-09-27
    当 按 REN-02 审查
    那么 结论为 无法判断
    而且 缺少的事实为 application.prior_maturity_on
