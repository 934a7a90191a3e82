Feature: First inspection of every drawdown

  Background:
    Given a loan file
    And the book is dated 2024-12-31

  Scenario Outline: PST-01 within fifteen days
    Given disbursements are
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-27 | 1000000 |
    And inspections are
      | loan_no | type   | done_on |
      | <loan>  | <type> | <done>  |
    When the file is judged by PST-01
    Then the outcome is <outcome>

    Examples:
      | loan  | type    | done       | outcome |
      | L1-01 | first   | 2024-08-27 | pass    |
      | L1-01 | first   | 2024-09-10 | pass    |
      | L1-01 | first   | 2024-09-11 | pass    |
      | L1-01 | first   | 2024-09-12 | breach  |
      | L1-01 | first   | 2024-10-22 | breach  |
      | L1-01 | first   | 2024-08-26 | breach  |
      | L1-01 | routine | 2024-09-05 | breach  |
      | L1-02 | first   | 2024-09-05 | breach  |
      |       | first   | 2024-09-05 | unknown |
      | L1-01 |         | 2024-09-05 | unknown |

  Scenario: PST-01 one inspection does not serve two drawdowns
    Given disbursements are
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-27 | 1000000 |
      | L1-02   | 2024-08-29 | 1000000 |
    And inspections are
      | loan_no | type  | done_on    |
      | L1-01   | first | 2024-09-05 |
    When the file is judged by PST-01
    Then the outcome is breach

  Scenario: PST-01 an inspection for each drawdown
    Given disbursements are
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-27 | 1000000 |
      | L1-02   | 2024-08-29 | 1000000 |
    And inspections are
      | loan_no | type  | done_on    |
      | L1-01   | first | 2024-09-05 |
      | L1-02   | first | 2024-09-05 |
    When the file is judged by PST-01
    Then the outcome is pass

  Scenario Outline: PST-01 is not due before the fifteenth day
    Given the book is dated <day>
    And disbursements are
      | loan_no | date       | amount  |
      | L1-01   | 2024-12-20 | 1000000 |
    And there are no inspections
    When the file is judged by PST-01
    Then the outcome is <outcome>

    Examples:
      | day        | outcome |
      | 2024-12-31 | not due |
      | 2025-01-04 | not due |
      | 2025-01-05 | breach  |

  Scenario: PST-01 an inspection that was done early settles it
    Given the book is dated 2024-12-31
    And disbursements are
      | loan_no | date       | amount  |
      | L1-01   | 2024-12-20 | 1000000 |
    And inspections are
      | loan_no | type  | done_on    |
      | L1-01   | first | 2024-12-25 |
    When the file is judged by PST-01
    Then the outcome is pass

  Scenario: PST-01 does not apply to a drawdown that was taken back
    Given disbursements are
      | loan_no | date       | amount |
      | L1-01   | 2024-08-27 | 0      |
    And there are no inspections
    When the file is judged by PST-01
    Then the outcome is not applicable

  Scenario: PST-01 does not apply before a drawdown
    Given there are no disbursements
    And there are no inspections
    When the file is judged by PST-01
    Then the outcome is not applicable

  Scenario: PST-01 is open while the inspections are not known
    Given disbursements are
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-27 | 1000000 |
    And inspections is missing
    When the file is judged by PST-01
    Then the outcome is unknown
    And the missing facts are inspections
