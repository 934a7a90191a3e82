Feature: Investigation, review and approval are apart

  Background:
    Given a loan file
    And approval.decided_on is 2024-08-21
    And approval.decision is approved
    And investigation.report_date is 2024-08-14

  Scenario Outline: APR-01 three people, pairwise distinct
    Given investigation.lead_id is "<lead>"
    And review.reviewer_id is "<reviewer>"
    And approval.approver_id is "<approver>"
    When the file is judged by APR-01
    Then the outcome is <outcome>

    Examples:
      | lead  | reviewer | approver | outcome |
      | S0101 | S0301    | S0401    | pass    |
      | S0101 | S0301    | S0301    | breach  |
      | S0101 | S0101    | S0401    | breach  |
      | S0101 | S0301    | S0101    | breach  |

  Scenario: APR-01 applies to rejected loans too
    Given approval.decision is rejected
    And investigation.lead_id is "S0101"
    And review.reviewer_id is "S0301"
    And approval.approver_id is "S0301"
    When the file is judged by APR-01
    Then the outcome is breach

  Scenario: APR-01 does not apply to a withdrawn application
    Given approval.decision is withdrawn
    When the file is judged by APR-01
    Then the outcome is not applicable

  Scenario: APR-01 was not in force before the law of 2015
    Given approval.decided_on is 2015-09-30
    When the file is judged by APR-01
    Then the outcome is not applicable

  Scenario: APR-01 is open while the reviewer is not known
    Given investigation.lead_id is "S0101"
    And approval.approver_id is "S0401"
    When the file is judged by APR-01
    Then the outcome is unknown
    And the missing facts are review.reviewer_id

  Scenario: APR-01 is decided by two people alone if they are the same
    Given review.reviewer_id is "S0301"
    And approval.approver_id is "S0301"
    When the file is judged by APR-01
    Then the outcome is breach

  Scenario: APR-01 does not see an investigation report of a later day
    Given investigation.report_date is 2024-08-22
    And investigation.lead_id is "S0101"
    And review.reviewer_id is "S0301"
    And approval.approver_id is "S0401"
    When the file is judged by APR-01
    Then the outcome is unknown

  Scenario: APR-01 with hindsight sees it
    Given investigation.report_date is 2024-08-22
    And investigation.lead_id is "S0101"
    And review.reviewer_id is "S0301"
    And approval.approver_id is "S0401"
    And with hindsight
    When the file is judged by APR-01
    Then the outcome is pass

  Scenario Outline: APR-02 the reviewer sits in another department than the investigator
    Given investigation.lead_id is "S0101"
    And review.dept is "<review>"
    And staff are
      | id    | dept   |
      | S0101 | 营销一部 |
      | S0301 | 审查部  |
    When the file is judged by APR-02
    Then the outcome is <outcome>

    Examples:
      | review | outcome |
      | 审查部  | pass    |
      | 营销一部 | breach  |

  Scenario: APR-02 without a record of the investigator
    Given investigation.lead_id is "S0999"
    And review.dept is "审查部"
    And staff are
      | id    | dept   |
      | S0101 | 营销一部 |
    When the file is judged by APR-02
    Then the outcome is breach

  Scenario: APR-02 does not apply to a withdrawn application
    Given approval.decision is withdrawn
    When the file is judged by APR-02
    Then the outcome is not applicable

  Scenario: APR-02 is open while the investigator's department is not known
    Given investigation.lead_id is "S0101"
    And review.dept is "审查部"
    And staff are
      | id    | dept |
      | S0101 |      |
    When the file is judged by APR-02
    Then the outcome is unknown
