Feature: Terms of loans

  Background:
    Given a loan file
    And approval.decision is approved

  Scenario Outline: TRM-01 working-capital loans, before and since 1 July 2024
    Given application.product is working_capital
    And approval.decided_on is <day>
    And approval.term_months is <months>
    And application.long_cash_cycle is <long>
    When the file is judged by TRM-01
    Then the outcome is <outcome>
    And the version in force is from <version>

    Examples:
      | day        | months | long  | outcome | version    |
      | 2024-07-01 | 36     | false | pass    | 2024-07-01 |
      | 2024-07-01 | 37     | false | breach  | 2024-07-01 |
      | 2024-07-01 | 37     | true  | pass    | 2024-07-01 |
      | 2024-07-01 | 60     | true  | pass    | 2024-07-01 |
      | 2024-07-01 | 61     | true  | breach  | 2024-07-01 |
      | 2024-06-30 | 37     | false | pass    | 2018-01-01 |
      | 2024-06-30 | 60     | false | pass    | 2018-01-01 |
      | 2024-06-30 | 61     | true  | breach  | 2018-01-01 |

  Scenario: TRM-01 does not apply to another product
    Given application.product is fixed_asset
    And approval.decided_on is 2024-08-21
    And approval.term_months is 96
    When the file is judged by TRM-01
    Then the outcome is not applicable

  Scenario: TRM-01 is open while the cash cycle is not known
    Given application.product is working_capital
    And approval.decided_on is 2024-08-21
    And approval.term_months is 48
    When the file is judged by TRM-01
    Then the outcome is unknown
    And the missing facts are application.long_cash_cycle

  Scenario: TRM-01 a short term passes without knowing the cash cycle
    Given application.product is working_capital
    And approval.decided_on is 2024-08-21
    And approval.term_months is 12
    When the file is judged by TRM-01
    Then the outcome is pass

  Scenario Outline: TRM-04 personal business loans
    Given application.product is <product>
    And approval.decided_on is <day>
    And approval.term_months is <months>
    And application.long_cash_cycle is <long>
    When the file is judged by TRM-04
    Then the outcome is <outcome>

    Examples:
      | product           | day        | months | long  | outcome        |
      | personal_business | 2024-07-01 | 60     | false | pass           |
      | personal_business | 2024-07-01 | 61     | false | breach         |
      | personal_business | 2024-07-01 | 61     | true  | pass           |
      | personal_business | 2024-07-01 | 120    | true  | pass           |
      | personal_business | 2024-07-01 | 121    | true  | breach         |
      | personal_business | 2024-06-30 | 121    | true  | not applicable |
      | working_capital   | 2024-07-01 | 121    | true  | not applicable |

  Scenario: TRM-04 is open while the term is not known
    Given application.product is personal_business
    And approval.decided_on is 2024-08-21
    And application.long_cash_cycle is false
    When the file is judged by TRM-04
    Then the outcome is unknown
    And the missing facts are approval.term_months
