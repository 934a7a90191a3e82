Feature: Guarantee periods and revaluation

  Background:
    Given a loan file
    And the book is dated 2024-12-31
    And contract.signed_on is 2024-01-10
    And loan.balance is 1000000

  Scenario Outline: CTR-03 at least sixty days to the end of every guarantee period
    Given loan.maturity_on is <maturity>
    And guarantees are
      | guarantor_id | type  | period_end |
      | C000902      | joint | 2028-08-26 |
      | P000903      | joint | <end>      |
    When the file is judged by CTR-03
    Then the outcome is <outcome>

    Examples: a period that is stated
      | maturity   | end        | outcome |
      | 2025-08-26 | 2025-03-02 | pass    |
      | 2025-08-26 | 2025-03-01 | pass    |
      | 2025-08-26 | 2025-02-28 | breach  |
      | 2025-08-26 | 2025-01-20 | breach  |
      | 2025-08-26 | 2024-12-01 | breach  |

    Examples: none is stated, six months after maturity
      | maturity   | end | outcome |
      | 2024-09-01 |     | pass    |
      | 2024-08-31 |     | breach  |
      | 2025-08-26 |     | pass    |

  Scenario: CTR-03 is open while neither period nor maturity is known
    Given loan.maturity_on is missing
    And guarantees are
      | guarantor_id | type  | period_end |
      | C000902      | joint |            |
    When the file is judged by CTR-03
    Then the outcome is unknown

  Scenario: CTR-03 does not apply without a balance
    Given loan.balance is 0
    And guarantees are
      | guarantor_id | type  | period_end |
      | C000902      | joint | 2025-01-20 |
    When the file is judged by CTR-03
    Then the outcome is not applicable

  Scenario: CTR-03 does not apply without guarantees
    Given there are no guarantees
    When the file is judged by CTR-03
    Then the outcome is not applicable

  Scenario Outline: LTV-08 a value of the last 365 days
    Given collateral are
      | kind   | appraised_on | revalued_on |
      | <kind> | <appraised>  | <revalued>  |
    When the file is judged by LTV-08
    Then the outcome is <outcome>

    Examples:
      | kind            | appraised  | revalued   | outcome        |
      | commercial      | 2024-01-01 |            | pass           |
      | commercial      | 2023-12-31 |            | breach         |
      | commercial      | 2022-03-01 | 2024-01-01 | pass           |
      | commercial      | 2022-03-01 | 2024-01-02 | pass           |
      | commercial      | 2022-03-01 | 2023-12-31 | breach         |
      | equipment       | 2022-03-01 |            | breach         |
      | commercial      |            |            | unknown        |
      | own_deposit     |            |            | not applicable |
      | life_policy     |            |            | not applicable |

  Scenario: LTV-08 does not apply without a balance
    Given loan.balance is 0
    And collateral are
      | kind       | appraised_on |
      | commercial | 2020-01-01   |
    When the file is judged by LTV-08
    Then the outcome is not applicable
