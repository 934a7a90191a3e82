# language: zh-CN
功能: 主担保方式集中度
  单一主担保方式贷款余额占比不超过60%。

  场景: CON-03 占比恰为60%
    假如 一本贷款账册
      | application.security | loan.balance |
      | guarantee            | 6000000      |
      | real_estate          | 4000000      |
    当 按 CON-03 审查账册
    那么 “guarantee” 的结论为 通过
    而且 “real_estate” 的结论为 通过

  场景: CON-03 占比略高于与略低于60%
    假如 一本贷款账册
      | application.security | loan.balance |
      | guarantee            | 6000000.01   |
      | real_estate          | 3999999.99   |
    当 按 CON-03 审查账册
    那么 “guarantee” 的结论为 违反
    而且 “real_estate” 的结论为 通过

  场景: CON-03 已结清贷款不计入
    假如 一本贷款账册
      | application.security | loan.balance |
      | guarantee            | 6000000      |
      | guarantee            | 0            |
      | real_estate          | 4000000      |
    当 按 CON-03 审查账册
    那么 “guarantee” 的结论为 通过

  场景: CON-03 余额缺失
    假如 一本贷款账册
      | application.security | loan.balance |
      | guarantee            | 6000000      |
      | guarantee            |              |
      | real_estate          | 4000000      |
    当 按 CON-03 审查账册
    那么 “guarantee” 的结论为 无法判断
