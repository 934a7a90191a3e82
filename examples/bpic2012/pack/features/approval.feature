Feature: Approval, separation of duties and fraud review

  Background:
    Given the loan file "approved application"

  Scenario Outline: duties are kept apart
    Given decision.officer_id is <officer>
    When the file is judged by <rule>
    Then the outcome is <outcome>

    Examples:
      | officer | rule   | outcome |
      | 10138   | SOD-01 | pass    |
      | 11169   | SOD-01 | breach  |
      | 10138   | SOD-02 | pass    |
      | 11169   | SOD-02 | breach  |
      | 10138   | SYS-01 | pass    |
      | 112     | SYS-01 | breach  |

  Scenario Outline: only approvals are judged
    Given decision.outcome is declined
    When the file is judged by <rule>
    Then the outcome is not applicable

    Examples:
      | rule   |
      | SOD-01 |
      | SOD-02 |
      | SYS-01 |
      | APR-01 |
      | APR-02 |
      | LIM-01 |

  Scenario: SOD-01 an open application is not judged
    Given decision.outcome is open
    And decision.decided_on is missing
    When the file is judged by SOD-01
    Then the outcome is not applicable

  Scenario: SOD-01 an officer who is not recorded leaves it open
    Given acceptance.officer_id is missing
    When the file is judged by SOD-01
    Then the outcome is unknown
    And the missing facts are acceptance.officer_id

  Scenario: SOD-02 an offer made after the decision is not seen
    Given offers are
      | date       | step    | officer_id |
      | 2011-11-22 | created | 10138      |
    When the file is judged by SOD-02
    Then the outcome is pass

  Scenario: SOD-02 with hindsight it is seen
    Given offers are
      | date       | step    | officer_id |
      | 2011-11-22 | created | 10138      |
    And with hindsight
    When the file is judged by SOD-02
    Then the outcome is breach

  Scenario: APR-01 approved without a trace of acceptance
    Given acceptance.accepted_on is missing
    When the file is judged by APR-01
    Then the outcome is breach

  Scenario: APR-02 approved without an accepted offer
    Given there are no offers
    When the file is judged by APR-02
    Then the outcome is breach

  Scenario Outline: AMT-01 and LIM-01 amounts
    Given application.amount is <amount>
    When the file is judged by <rule>
    Then the outcome is <outcome>

    Examples:
      | amount   | rule   | outcome |
      | 0        | AMT-01 | breach  |
      | 0.01     | AMT-01 | pass    |
      | 50000    | LIM-01 | pass    |
      | 50000.01 | LIM-01 | breach  |

  Scenario: FRD-01 without fraud review
    When the file is judged by FRD-01
    Then the outcome is not applicable

  Scenario Outline: FRD-01 after fraud review
    Given fraud_review.opened_on is 2011-11-08
    And decision.outcome is <decision>
    When the file is judged by FRD-01
    Then the outcome is <outcome>

    Examples:
      | decision | outcome |
      | approved | breach  |
      | declined | pass    |

  Scenario Outline: FRD-02 the review ends before approval
    Given fraud_review.opened_on is 2011-11-08
    And fraud_review.ended_at is <ended>
    When the file is judged by FRD-02
    Then the outcome is <outcome>

    Examples:
      | ended               | outcome |
      | 2011-11-21T14:00:00 | pass    |
      | 2011-11-21T14:00:01 | breach  |

  Scenario: FRD-02 a review whose work has no end in the log
    Given fraud_review.opened_on is 2011-11-08
    And fraud_review.ended_at is missing
    When the file is judged by FRD-02
    Then the outcome is unknown
    And the missing facts are fraud_review.ended_at

  Scenario Outline: FRD-03 the reviewer does not approve
    Given fraud_review.opened_on is 2011-11-08
    And work are
      | date       | kind         | transition   | officer_id |
      | 2011-11-08 | fraud_review | <transition> | <officer>  |
    When the file is judged by FRD-03
    Then the outcome is <outcome>

    Examples:
      | transition | officer | outcome |
      | start      | 10188   | pass    |
      | start      | 10138   | breach  |
      | schedule   | 10138   | pass    |

  Scenario: CON-01 and CON-02 approvals of one officer
    Given a book of files
      | decision.outcome | decision.decided_on | decision.officer_id | application.amount |
      | approved         | 2011-11-21          | 10138               | 5000000.01         |
      | approved         | 2011-11-21          | 10972               | 5000000            |
      | declined         | 2011-11-21          | 10629               | 9000000            |
    When the book is judged by CON-01
    Then the outcome of "10138" is breach
    And the outcome of "10972" is pass
