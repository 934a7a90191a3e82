Feature: What the credit bureau shows

  Background:
    Given the loan file "ordinary working-capital loan"

  Scenario Outline: CB-03 accepts no current arrears
    Given bureau.overdue_now is <overdue>
    When the file is judged by CB-03
    Then the outcome is <outcome>

    Examples:
      | overdue | outcome |
      | 0       | pass    |
      | 0.01    | breach  |
      | 250000  | breach  |

  Scenario: CB-03 cannot tell without the bureau
    Given bureau.overdue_now is missing
    When the file is judged by CB-03
    Then the outcome is unknown
    And the missing facts are bureau.overdue_now

  Scenario: CB-03 does not speak of refused applications
    Given bureau.overdue_now is 250000
    And approval.decision is rejected
    When the file is judged by CB-03
    Then the outcome is not applicable

  Scenario Outline: CB-04 counts three in a row and six in all
    Given bureau.consecutive_overdue_months is <run>
    And bureau.overdue_months_24m is <total>
    When the file is judged by CB-04
    Then the outcome is <outcome>

    Examples:
      | run | total | outcome |
      | 0   | 0     | pass    |
      | 2   | 5     | pass    |
      | 3   | 3     | breach  |
      | 2   | 6     | breach  |
      | 4   | 7     | breach  |

  Scenario: CB-04 needs no total once the run is too long
    Given bureau.consecutive_overdue_months is 3
    And bureau.overdue_months_24m is missing
    When the file is judged by CB-04
    Then the outcome is breach

  Scenario: CB-04 cannot tell without the total
    Given bureau.overdue_months_24m is missing
    When the file is judged by CB-04
    Then the outcome is unknown
    And the missing facts are bureau.overdue_months_24m

  Scenario: CB-04 does not speak of refused applications
    Given bureau.consecutive_overdue_months is 9
    And approval.decision is rejected
    When the file is judged by CB-04
    Then the outcome is not applicable

  Scenario Outline: CB-05 at four lenders and six queries
    Given bureau.lenders is <lenders>
    And bureau.queries_3m is <queries>
    When the file is judged by CB-05
    Then the outcome is <outcome>

    Examples:
      | lenders | queries | outcome |
      | 3       | 4       | pass    |
      | 4       | 5       | pass    |
      | 5       | 5       | breach  |
      | 4       | 6       | breach  |
      | 4       | 7       | breach  |

  Scenario: CB-05 cannot tell without the number of lenders
    Given bureau.lenders is missing
    When the file is judged by CB-05
    Then the outcome is unknown
    And the missing facts are bureau.lenders

  Scenario: CB-05 does not speak of refused applications
    Given bureau.lenders is 9
    And approval.decision is withdrawn
    When the file is judged by CB-05
    Then the outcome is not applicable

  Scenario Outline: CB-06 warns at half of net assets, CB-06S stops at all of them
    Given borrower.net_assets is 10000000
    And bureau.external_guarantee_balance is <guarantees>
    When the file is judged by <rule>
    Then the outcome is <outcome>

    Examples:
      | rule   | guarantees  | outcome        |
      | CB-06  | 0           | not applicable |
      | CB-06  | 4999999.99  | pass           |
      | CB-06  | 5000000     | pass           |
      | CB-06  | 5000000.01  | breach         |
      | CB-06S | 0           | not applicable |
      | CB-06S | 9999999.99  | pass           |
      | CB-06S | 10000000    | pass           |
      | CB-06S | 10000000.01 | breach         |

  Scenario Outline: CB-06 and CB-06S find any guarantee too much against negative net assets
    Given borrower.net_assets is -500000
    And bureau.external_guarantee_balance is 0.01
    When the file is judged by <rule>
    Then the outcome is breach

    Examples:
      | rule   |
      | CB-06  |
      | CB-06S |

  Scenario Outline: CB-06 and CB-06S cannot tell without both figures
    Given <fact> is missing
    When the file is judged by <rule>
    Then the outcome is unknown
    And the missing facts are <fact>

    Examples:
      | rule   | fact                              |
      | CB-06  | bureau.external_guarantee_balance |
      | CB-06  | borrower.net_assets               |
      | CB-06S | bureau.external_guarantee_balance |
      | CB-06S | borrower.net_assets               |
