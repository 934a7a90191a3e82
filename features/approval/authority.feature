Feature: Approval within valid authority

  Background:
    Given a loan file
    And approval.decided_on is 2024-08-21
    And approval.decision is approved
    And approval.term_months is 12
    And approval.hard_rule_exception is false
    And application.issue_type is new
    And application.is_new_customer is false
    And application.security is real_estate
    And rating.grade is A2
    And borrower.industry_restriction is normal
    And borrower.is_related_person is false
    And network.circle_size is 1

  Scenario Outline: AUT-01 the approver's level reaches the level required
    Given approval.level is <level>
    And approval.group_exposure is <exposure>
    When the file is judged by AUT-01
    Then the outcome is <outcome>

    Examples:
      | level | exposure    | outcome |
      | 1     | 5000000.00  | pass    |
      | 1     | 5000000.01  | breach  |
      | 2     | 5000000.01  | pass    |
      | 2     | 12000000.00 | breach  |
      | 3     | 12000000.00 | pass    |
      | 4     | 30000000.01 | breach  |
      | 5     | 90000000.00 | pass    |

  Scenario: AUT-01 two loans of three million to one group count before the next of six
    Given approval.level is 1
    And approval.amount is 6000000
    And approval.group_exposure is 12000000
    When the file is judged by AUT-01
    Then the decision required_level is 3
    And the outcome is breach

  Scenario: AUT-01 does not apply to a rejected loan
    Given approval.decision is rejected
    When the file is judged by AUT-01
    Then the outcome is not applicable

  Scenario: AUT-01 is open while the group's exposure is not known
    Given approval.level is 3
    When the file is judged by AUT-01
    Then the outcome is unknown
    And the missing facts are approval.group_exposure

  Scenario: AUT-01 the top level has no limit, whatever is missing
    Given approval.level is 5
    When the file is judged by AUT-01
    Then the outcome is pass

  Scenario: AUT-01 a related person is decided at the top
    Given approval.level is 4
    And approval.group_exposure is 100000
    And borrower.is_related_person is true
    When the file is judged by AUT-01
    Then the outcome is breach

  Scenario Outline: AUT-02 a delegation valid on the day, for the person and the level
    Given approval.approver_id is "S0401"
    And approval.level is 2
    And delegations are
      | person_id | level   | from   | until   | document_no  |
      | <person>  | <level> | <from> | <until> | 授权〔2024〕21号 |
      | S0103     | 5       | 2024-01-01 | 2024-12-31 | 授权〔2024〕11号 |
    When the file is judged by AUT-02
    Then the outcome is <outcome>

    Examples:
      | person | level | from       | until      | outcome |
      | S0401  | 2     | 2024-01-01 | 2024-12-31 | pass    |
      | S0401  | 3     | 2024-01-01 | 2024-12-31 | pass    |
      | S0401  | 1     | 2024-01-01 | 2024-12-31 | breach  |
      | S0499  | 2     | 2024-01-01 | 2024-12-31 | breach  |
      | S0401  | 2     | 2024-08-21 | 2024-12-31 | pass    |
      | S0401  | 2     | 2024-08-22 | 2024-12-31 | breach  |
      | S0401  | 2     | 2024-01-01 | 2024-08-21 | pass    |
      | S0401  | 2     | 2024-01-01 | 2024-08-20 | breach  |
      | S0401  | 2     | 2024-01-01 |            | unknown |

  Scenario: AUT-02 no delegation at all
    Given approval.approver_id is "S0401"
    And approval.level is 2
    And there are no delegations
    When the file is judged by AUT-02
    Then the outcome is breach

  Scenario: AUT-02 does not apply to a rejected loan
    Given approval.decision is rejected
    When the file is judged by AUT-02
    Then the outcome is not applicable

  Scenario Outline: AUT-03 levels 1 and 2 renew normal loans only
    Given application.issue_type is renewal_no_principal
    And application.prior_grade is <grade>
    And approval.level is <level>
    When the file is judged by AUT-03
    Then the outcome is <outcome>

    Examples:
      | grade           | level | outcome |
      | normal          | 1     | pass    |
      | special_mention | 2     | breach  |
      | special_mention | 3     | pass    |
      | substandard     | 1     | breach  |
      | loss            | 5     | pass    |

  Scenario: AUT-03 does not apply to a new loan
    Given approval.level is 1
    And application.prior_grade is doubtful
    When the file is judged by AUT-03
    Then the outcome is not applicable

  Scenario: AUT-03 is open while the grade of the old loan is not known
    Given application.issue_type is renewal_no_principal
    And approval.level is 2
    When the file is judged by AUT-03
    Then the outcome is unknown
    And the missing facts are application.prior_grade
