Feature: Loan to value

  Background:
    Given a loan file
    And approval.decided_on is 2024-08-21
    And approval.decision is approved

  Scenario Outline: LTV-01 every kind of collateral, at its cap and one fen above
    Given collateral are
      | kind   | acquired_on | acquired_price | bank_value | prior_liens | secured_amount |
      | <kind> | 2015-05-10  | 500000         | 1000000    | 0           | <secured>      |
    When the file is judged by LTV-01
    Then the outcome is <outcome>

    Examples:
      | kind            | secured   | outcome |
      | own_deposit     | 900000.00 | pass    |
      | own_deposit     | 900000.01 | breach  |
      | foreign_deposit | 750000.00 | pass    |
      | foreign_deposit | 750000.01 | breach  |
      | bank_acceptance | 900000.00 | pass    |
      | bank_acceptance | 900000.01 | breach  |
      | residential     | 699999.99 | pass    |
      | residential     | 700000.00 | pass    |
      | residential     | 700000.01 | breach  |
      | commercial      | 500000.00 | pass    |
      | commercial      | 500000.01 | breach  |
      | plant           | 400000.00 | pass    |
      | plant           | 400000.01 | breach  |
      | land_use_right  | 500000.00 | pass    |
      | land_use_right  | 500000.01 | breach  |
      | equipment       | 300000.00 | pass    |
      | equipment       | 300000.01 | breach  |
      | vehicle         | 350000.00 | pass    |
      | vehicle         | 350000.01 | breach  |
      | receivables     | 700000.00 | pass    |
      | receivables     | 700000.01 | breach  |
      | stock           | 500000.00 | pass    |
      | stock           | 500000.01 | breach  |
      | life_policy     | 800000.00 | pass    |
      | life_policy     | 800000.01 | breach  |
      | ip              | 300000.00 | pass    |
      | ip              | 300000.01 | breach  |

  Scenario Outline: LTV-01 prior liens count
    Given collateral are
      | kind        | acquired_on | acquired_price | bank_value | prior_liens | secured_amount |
      | residential | 2015-05-10  | 900000         | 1000000    | <liens>     | 500000         |
    When the file is judged by LTV-01
    Then the outcome is <outcome>

    Examples:
      | liens     | outcome |
      | 200000.00 | pass    |
      | 200000.01 | breach  |
      |           | unknown |

  Scenario Outline: LTV-01 the purchase price is the limit for a property held less than a year
    Given collateral are
      | kind   | acquired_on   | acquired_price | bank_value | prior_liens | secured_amount |
      | <kind> | <acquired_on> | 800000         | 1100000    | 0           | <secured>      |
    When the file is judged by LTV-01
    Then the outcome is <outcome>

    Examples: 2024-08-21 less 365 days is 2023-08-22
      | kind        | acquired_on | secured   | outcome |
      | residential | 2023-08-22  | 736000.00 | pass    |
      | residential | 2023-08-23  | 736000.00 | breach  |
      | residential | 2023-12-20  | 736000.00 | breach  |
      | residential | 2023-12-20  | 560000.00 | pass    |
      | residential | 2023-12-20  | 560000.01 | breach  |
      | residential |             | 560000.00 | pass    |
      | residential |             | 560000.01 | unknown |
      | equipment   | 2023-12-20  | 330000.00 | pass    |

  Scenario Outline: LTV-01 before the notice of March 2021 the bank's own policy
    Given approval.decided_on is 2021-03-25
    And collateral are
      | kind        | acquired_on   | acquired_price | bank_value | prior_liens | secured_amount |
      | residential | <acquired_on> | 800000         | 1100000    | 0           | 736000.00      |
    When the file is judged by LTV-01
    Then the outcome is <outcome>

    Examples:
      | acquired_on | outcome |
      | 2020-03-25  | pass    |
      | 2020-03-26  | breach  |

  Scenario: LTV-01 each item keeps its own cap
    Given collateral are
      | kind        | acquired_on | acquired_price | bank_value | prior_liens | secured_amount |
      | residential | 2015-05-10  | 900000         | 1000000    | 0           | 700000         |
      | plant       | 2015-05-10  | 900000         | 1000000    | 0           | 400000.01      |
    When the file is judged by LTV-01
    Then the outcome is breach

  Scenario: LTV-01 does not apply without collateral
    Given there are no collateral
    When the file is judged by LTV-01
    Then the outcome is not applicable

  Scenario: LTV-01 does not apply to a rejected loan
    Given approval.decision is rejected
    And collateral are
      | kind  | bank_value | prior_liens | secured_amount |
      | plant | 1000000    | 0           | 900000         |
    When the file is judged by LTV-01
    Then the outcome is not applicable

  Scenario: LTV-01 is open while the bank's value is not known
    Given collateral are
      | kind  | acquired_on | prior_liens | secured_amount |
      | plant | 2015-05-10  | 0           | 900000         |
    When the file is judged by LTV-01
    Then the outcome is unknown
    And the missing facts are collateral.bank_value
