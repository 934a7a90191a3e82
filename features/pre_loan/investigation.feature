Feature: Investigation on site
  Two people visit before the report is written; one may do for small loans of known customers. The limits changed
  on 2024-07-01.

  Scenario: PRE-20 is kept by a visit of both investigators
    Given the loan file "ordinary working-capital loan"
    When the file is judged by PRE-20
    Then the outcome is pass
    And the decision single_investigator_allowed is false

  Scenario Outline: PRE-20 asks for two people on site, the lead investigator among them
    Given the loan file "ordinary working-capital loan"
    And visits are
      | date       | staff   | on_site   |
      | 2024-08-09 | <staff> | <on_site> |
    When the file is judged by PRE-20
    Then the outcome is <outcome>

    Examples:
      | staff               | on_site | outcome |
      | S0101, S0102        | true    | pass    |
      | S0101, S0102, S0103 | true    | pass    |
      | S0101               | true    | breach  |
      | S0101, S0101        | true    | breach  |
      | S0102, S0103        | true    | breach  |
      | S0101, S0102        | false   | breach  |
      | S0101, S0102        |         | unknown |
      |                     | true    | unknown |

  Scenario: PRE-20 does not add up two visits of one person each
    Given the loan file "ordinary working-capital loan"
    And visits are
      | date       | staff | on_site |
      | 2024-08-09 | S0101 | true    |
      | 2024-08-12 | S0102 | true    |
    When the file is judged by PRE-20
    Then the outcome is breach

  Scenario: PRE-20 finds no trace of a visit
    Given the loan file "ordinary working-capital loan"
    And there are no visits
    When the file is judged by PRE-20
    Then the outcome is breach

  Scenario: PRE-20 cannot tell while the visits are lacking
    Given the loan file "ordinary working-capital loan"
    And visits is missing
    When the file is judged by PRE-20
    Then the outcome is unknown
    And the missing facts are visits

  Scenario: PRE-20 does not see a visit after the decision
    Given the loan file "ordinary working-capital loan"
    And visits are
      | date       | staff        | on_site |
      | 2024-08-22 | S0101, S0102 | true    |
    When the file is judged by PRE-20
    Then the outcome is breach

  Scenario Outline: PRE-20 does not ask for two people where one may do
    Given the loan file "working-capital loan before July 2024"
    And there are no visits
    And application.amount is <amount>
    And approval.decided_on is <day>
    When the file is judged by PRE-20
    Then the outcome is <outcome>

    Examples:
      | day        | amount    | outcome        |
      | 2024-06-30 | 300000    | not applicable |
      | 2024-06-30 | 300000.01 | breach         |
      | 2024-06-30 | 500000    | breach         |
      | 2024-07-01 | 300000.01 | not applicable |
      | 2024-07-01 | 500000    | not applicable |
      | 2024-07-01 | 500000.01 | breach         |

  Scenario Outline: PRE-20 does not speak of other cases
    Given the loan file "ordinary working-capital loan"
    And there are no visits
    And <fact> is <value>
    When the file is judged by PRE-20
    Then the outcome is not applicable

    Examples:
      | fact                | value                |
      | investigation.mode  | remote               |
      | approval.decision   | rejected             |
      | application.product | personal_consumption |

  Scenario: PRE-21 allows one investigator for a small loan of a known customer
    Given the loan file "micro loan by one investigator"
    When the file is judged by PRE-21
    Then the outcome is pass
    And the decision single_investigator_allowed is true

  Scenario Outline: PRE-21 follows the amount in force on the day of the decision
    Given the loan file "micro loan by one investigator"
    And investigation.report_date is 2024-06-28
    And application.amount is <amount>
    And approval.decided_on is <day>
    When the file is judged by PRE-21
    Then the outcome is <outcome>

    Examples:
      | day        | amount    | outcome |
      | 2024-06-30 | 299999.99 | pass    |
      | 2024-06-30 | 300000    | pass    |
      | 2024-06-30 | 300000.01 | breach  |
      | 2024-06-30 | 400000    | breach  |
      | 2024-07-01 | 400000    | pass    |
      | 2024-07-01 | 500000    | pass    |
      | 2024-07-01 | 500000.01 | breach  |

  Scenario Outline: PRE-21 asks for two people for new customers and new employees
    Given the loan file "micro loan by one investigator"
    And <fact> is true
    When the file is judged by PRE-21
    Then the outcome is breach
    And the decision single_investigator_allowed is false

    Examples:
      | fact                               |
      | application.is_new_customer        |
      | investigation.lead_is_new_employee |

  Scenario: PRE-21 does not speak of two investigators
    Given the loan file "ordinary working-capital loan"
    When the file is judged by PRE-21
    Then the outcome is not applicable

  Scenario: PRE-21 cannot tell whether the investigator is new
    Given the loan file "micro loan by one investigator"
    And investigation.lead_is_new_employee is missing
    When the file is judged by PRE-21
    Then the outcome is unknown
    And the missing facts are investigation.lead_is_new_employee

  Scenario: PRE-21 needs no more facts once the amount is too high
    Given the loan file "micro loan by one investigator"
    And application.amount is 800000
    And investigation.lead_is_new_employee is missing
    When the file is judged by PRE-21
    Then the outcome is breach

  Scenario Outline: PRE-22 asks for a visit at most 30 days before the report of 2024-08-14
    Given the loan file "ordinary working-capital loan"
    And visits are
      | date  | staff        | on_site   |
      | <day> | S0101, S0102 | <on_site> |
    When the file is judged by PRE-22
    Then the outcome is <outcome>
    And the version in force is from 2024-07-01

    Examples:
      | day        | on_site | outcome |
      | 2024-07-14 | true    | breach  |
      | 2024-07-15 | true    | pass    |
      | 2024-07-16 | true    | pass    |
      | 2024-08-14 | true    | pass    |
      | 2024-08-15 | true    | breach  |
      | 2024-08-09 | false   | breach  |
      | 2024-08-09 |         | unknown |

  Scenario Outline: PRE-22 lets small loans be verified off site from July 2024 on
    Given the loan file "working-capital loan before July 2024"
    And there are no visits
    And investigation.mode is remote
    And application.amount is <amount>
    And approval.decided_on is <day>
    When the file is judged by PRE-22
    Then the outcome is <outcome>
    And the version in force is from <version>

    Examples:
      | day        | amount     | outcome | version    |
      | 2024-06-30 | 800000     | breach  | 2015-01-01 |
      | 2024-07-01 | 800000     | pass    | 2024-07-01 |
      | 2024-07-01 | 1000000    | pass    | 2024-07-01 |
      | 2024-07-01 | 1000000.01 | breach  | 2024-07-01 |

  Scenario: PRE-22 cannot tell while the visits are lacking
    Given the loan file "ordinary working-capital loan"
    And visits is missing
    When the file is judged by PRE-22
    Then the outcome is unknown
    And the missing facts are visits

  Scenario: PRE-22 does not speak of consumption loans
    Given the loan file "ordinary working-capital loan"
    And application.product is personal_consumption
    And there are no visits
    When the file is judged by PRE-22
    Then the outcome is not applicable

  Scenario Outline: PRE-23 accepts video interviews from July 2024 on
    Given the loan file "working-capital loan before July 2024"
    And investigation.interview_mode is <mode>
    And approval.decided_on is <day>
    When the file is judged by PRE-23
    Then the outcome is <outcome>
    And the version in force is from <version>

    Examples:
      | day        | mode      | outcome | version    |
      | 2024-06-30 | in_person | pass    | 2015-01-01 |
      | 2024-06-30 | video     | breach  | 2015-01-01 |
      | 2024-07-01 | in_person | pass    | 2024-07-01 |
      | 2024-07-01 | video     | pass    | 2024-07-01 |

  Scenario Outline: PRE-23 asks for the interview by the day of the decision
    Given the loan file "ordinary working-capital loan"
    And investigation.interview_on is <day>
    When the file is judged by PRE-23
    Then the outcome is <outcome>

    Examples:
      | day        | outcome |
      | 2024-08-20 | pass    |
      | 2024-08-21 | pass    |
      | 2024-08-22 | breach  |

  Scenario: PRE-23 finds no trace of an interview
    Given the loan file "ordinary working-capital loan"
    And investigation.interview_on is missing
    When the file is judged by PRE-23
    Then the outcome is breach

  Scenario Outline: PRE-23 cannot tell while the record is incomplete
    Given the loan file "ordinary working-capital loan"
    And <fact> is missing
    When the file is judged by PRE-23
    Then the outcome is unknown

    Examples:
      | fact                         |
      | investigation.interview_mode |
      | investigation.report_date    |

  Scenario: PRE-23 does not speak of refused applications
    Given the loan file "ordinary working-capital loan"
    And investigation.interview_on is missing
    And approval.decision is rejected
    When the file is judged by PRE-23
    Then the outcome is not applicable
