Feature: Entrusted payment

  Background:
    Given a loan file
    And the book is dated 2024-12-31
    And contract.signed_on is 2024-07-01

  Scenario Outline: PAY-01 single payments of a working-capital loan above ten million yuan
    Given application.product is working_capital
    And payments are
      | date   | amount   | mode   |
      | <date> | <amount> | <mode> |
    When the file is judged by PAY-01
    Then the outcome is <outcome>

    Examples:
      | date       | amount      | mode      | outcome        |
      | 2024-08-27 | 9999999.99  | self      | pass           |
      | 2024-08-27 | 10000000.00 | self      | pass           |
      | 2024-08-27 | 10000000.01 | self      | breach         |
      | 2024-08-27 | 10000000.01 | entrusted | pass           |
      | 2024-07-01 | 10000000.01 | self      | breach         |
      | 2024-06-30 | 10000000.01 | self      | not applicable |
      | 2024-08-27 | 10000000.01 |           | unknown        |
      | 2024-08-27 |             | entrusted | pass           |
      | 2024-12-31 | 10000000.01 | self      | not due        |

  Scenario: PAY-01 one payment left to the borrower is enough
    Given application.product is working_capital
    And payments are
      | date       | amount   | mode      |
      | 2024-08-27 | 12000000 | entrusted |
      | 2024-08-28 | 11000000 | self      |
    When the file is judged by PAY-01
    Then the outcome is breach

  Scenario: PAY-01 does not apply to a personal business loan
    Given application.product is personal_business
    And payments are
      | date       | amount   | mode |
      | 2024-08-27 | 11000000 | self |
    When the file is judged by PAY-01
    Then the outcome is not applicable

  Scenario: PAY-01 does not apply where nothing was paid yet
    Given application.product is working_capital
    And there are no payments
    When the file is judged by PAY-01
    Then the outcome is not applicable

  Scenario: PAY-01 is open while the payments are not known
    Given application.product is working_capital
    And payments is missing
    When the file is judged by PAY-01
    Then the outcome is unknown
    And the missing facts are payments

  Scenario Outline: PAY-04 drawdowns of a personal business loan above 500,000 yuan
    Given application.product is <product>
    And disbursements are
      | date   | amount   | pay_mode |
      | <date> | <amount> | <mode>   |
    When the file is judged by PAY-04
    Then the outcome is <outcome>

    Examples:
      | product           | date       | amount    | mode      | outcome        |
      | personal_business | 2024-08-27 | 499999.99 | self      | pass           |
      | personal_business | 2024-08-27 | 500000.00 | self      | pass           |
      | personal_business | 2024-08-27 | 500000.01 | self      | breach         |
      | personal_business | 2024-08-27 | 500000.01 | mixed     | breach         |
      | personal_business | 2024-08-27 | 500000.01 | entrusted | pass           |
      | personal_business | 2024-06-30 | 500000.01 | self      | not applicable |
      | working_capital   | 2024-08-27 | 500000.01 | self      | not applicable |
      | personal_business | 2024-08-27 | 500000.01 |           | unknown        |
      | personal_business | 2024-12-31 | 500000.01 | self      | not due        |

  Scenario Outline: PAY-06 the bank's own line: one million yuan, or thirty per cent above half a million
    Given application.product is working_capital
    And loan.amount is <loan>
    And payments are
      | date       | amount   | mode   |
      | 2024-08-27 | <amount> | <mode> |
    When the file is judged by PAY-06
    Then the outcome is <outcome>

    Examples:
      | loan     | amount     | mode      | outcome |
      | 10000000 | 999999.99  | self      | pass    |
      | 10000000 | 1000000.00 | self      | breach  |
      | 10000000 | 1000000.00 | entrusted | pass    |
      | 2000000  | 600000.00  | self      | pass    |
      | 2000000  | 600000.01  | self      | breach  |
      | 1000000  | 500000.00  | self      | pass    |
      | 1000000  | 500000.01  | self      | breach  |
      | 1000000  | 300000.01  | self      | pass    |

  Scenario: PAY-06 a payment of the day of the book may still be put right that day
    Given application.product is working_capital
    And loan.amount is 2000000
    And payments are
      | date       | amount  | mode |
      | 2024-12-31 | 2000000 | self |
    When the file is judged by PAY-06
    Then the outcome is not due

  Scenario: PAY-06 does not apply to a fixed-asset loan
    Given application.product is fixed_asset
    And payments are
      | date       | amount  | mode |
      | 2024-08-27 | 2000000 | self |
    When the file is judged by PAY-06
    Then the outcome is not applicable

  Scenario: PAY-06 is open while the loan amount is not known
    Given application.product is working_capital
    And payments are
      | date       | amount | mode |
      | 2024-08-27 | 800000 | self |
    When the file is judged by PAY-06
    Then the outcome is unknown
    And the missing facts are loan.amount
