Feature: Restricted industries and financial soundness

  Background:
    Given the loan file "ordinary working-capital loan"

  Scenario Outline: IND-01 keeps restricted industries to their level
    Given borrower.industry_restriction is <restriction>
    And approval.level is <level>
    When the file is judged by IND-01
    Then the outcome is <outcome>

    Examples:
      | restriction | level | outcome |
      | normal      | 1     | pass    |
      | capped      | 1     | pass    |
      | hq_only     | 3     | breach  |
      | hq_only     | 4     | pass    |
      | hq_only     | 5     | pass    |
      | banned      | 5     | breach  |

  Scenario: IND-01 needs the level only for industries of the head office
    Given approval.level is missing
    When the file is judged by IND-01
    Then the outcome is pass

  Scenario: IND-01 cannot tell the level of a head-office industry
    Given borrower.industry_restriction is hq_only
    And approval.level is missing
    When the file is judged by IND-01
    Then the outcome is unknown
    And the missing facts are approval.level

  Scenario: IND-01 cannot tell without the restriction
    Given borrower.industry_restriction is missing
    When the file is judged by IND-01
    Then the outcome is unknown

  Scenario: IND-01 does not speak of refused applications
    Given borrower.industry_restriction is banned
    And approval.decision is rejected
    When the file is judged by IND-01
    Then the outcome is not applicable

  Scenario Outline: RAT-01 at 70 per cent of total assets
    Given borrower.total_assets is 10000000
    And borrower.liabilities is <liabilities>
    When the file is judged by RAT-01
    Then the outcome is <outcome>

    Examples:
      | liabilities | outcome |
      | 6999999.99  | pass    |
      | 7000000     | pass    |
      | 7000000.01  | breach  |

  Scenario: RAT-01 does not speak of people
    Given borrower.kind is individual_owner
    And borrower.liabilities is 40000000
    When the file is judged by RAT-01
    Then the outcome is not applicable

  Scenario Outline: RAT-01 cannot tell without the balance sheet
    Given <fact> is missing
    When the file is judged by RAT-01
    Then the outcome is unknown
    And the missing facts are <fact>

    Examples:
      | fact                  |
      | borrower.liabilities  |
      | borrower.total_assets |

  Scenario Outline: RAT-03 at a cover of 1.2
    Given declared.annual_debt_service is 1000000
    And declared.annual_cash_flow is <cash>
    When the file is judged by RAT-03
    Then the outcome is <outcome>

    Examples:
      | cash       | outcome |
      | 1199999.99 | breach  |
      | 1200000    | pass    |
      | 1200000.01 | pass    |

  Scenario: RAT-03 does not speak of consumption loans
    Given application.product is personal_consumption
    And declared.annual_cash_flow is 0
    When the file is judged by RAT-03
    Then the outcome is not applicable

  Scenario: RAT-03 cannot tell without the cash flow
    Given declared.annual_cash_flow is missing
    When the file is judged by RAT-03
    Then the outcome is unknown
    And the missing facts are declared.annual_cash_flow
