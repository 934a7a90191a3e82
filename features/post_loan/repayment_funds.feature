Feature: Repayment funds checked before maturity

  Background:
    Given a loan file
    And the book is dated 2024-12-31
    And contract.signed_on is 2023-08-23
    And loan.original_term_months is 12
    And loan.maturity_on is 2024-08-26
    And disbursements are
      | loan_no | date       | amount  |
      | L1-01   | 2023-08-27 | 1000000 |

  Scenario Outline: PST-06 between 90 and 10 days before maturity
    Given inspections are
      | type   | done_on |
      | <type> | <done>  |
    When the file is judged by PST-06
    Then the outcome is <outcome>

    Examples:
      | type            | done       | outcome |
      | repayment_funds | 2024-05-27 | breach  |
      | repayment_funds | 2024-05-28 | pass    |
      | repayment_funds | 2024-07-27 | pass    |
      | repayment_funds | 2024-08-16 | pass    |
      | repayment_funds | 2024-08-17 | breach  |
      | routine         | 2024-07-27 | breach  |
      |                 | 2024-07-27 | unknown |

  Scenario Outline: PST-06 is not due up to the tenth day before maturity
    Given the book is dated <day>
    And there are no inspections
    When the file is judged by PST-06
    Then the outcome is <outcome>

    Examples:
      | day        | outcome |
      | 2024-03-31 | not due |
      | 2024-08-16 | not due |
      | 2024-08-17 | breach  |

  Scenario Outline: PST-06 does not apply to short loans
    Given loan.original_term_months is <months>
    And there are no inspections
    When the file is judged by PST-06
    Then the outcome is <outcome>

    Examples:
      | months | outcome        |
      | 5      | not applicable |
      | 6      | breach         |

  Scenario: PST-06 does not apply before a drawdown
    Given there are no disbursements
    When the file is judged by PST-06
    Then the outcome is not applicable

  Scenario: PST-06 is open while the maturity is not known
    Given loan.maturity_on is missing
    And there are no inspections
    When the file is judged by PST-06
    Then the outcome is unknown
