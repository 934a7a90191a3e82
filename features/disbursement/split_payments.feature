Feature: Payments split below the line for entrusted payment

  Background:
    Given a loan file
    And the book is dated 2024-12-31
    And application.product is working_capital

  Scenario Outline: PAY-08 two payments to payees of one owner
    Given payments are
      | date       | payee | payee_owner | amount   | mode   |
      | 2024-08-20 | A     | Wu          | <first>  | self   |
      | <day>      | B     | <owner>     | <second> | <mode> |
    When the file is judged by PAY-08
    Then the outcome is <outcome>

    Examples: the seeded pattern
      | first   | day        | owner | second  | mode | outcome |
      | 9800000 | 2024-08-23 | Wu    | 9800000 | self | breach  |

    Examples: the ten days
      | first   | day        | owner | second  | mode | outcome |
      | 9800000 | 2024-08-20 | Wu    | 9800000 | self | breach  |
      | 9800000 | 2024-08-29 | Wu    | 9800000 | self | breach  |
      | 9800000 | 2024-08-30 | Wu    | 9800000 | self | breach  |
      | 9800000 | 2024-08-31 | Wu    | 9800000 | self | pass    |
      | 9800000 | 2024-08-10 | Wu    | 9800000 | self | breach  |
      | 9800000 | 2024-08-09 | Wu    | 9800000 | self | pass    |

    Examples: the sum
      | first      | day        | owner | second     | mode | outcome |
      | 5000000.00 | 2024-08-21 | Wu    | 5000000.00 | self | pass    |
      | 5000000.00 | 2024-08-21 | Wu    | 5000000.01 | self | breach  |

    Examples: a payment of exactly the line counts
      | first       | day        | owner | second      | mode | outcome |
      | 100000      | 2024-08-23 | Wu    | 10000000.00 | self | breach  |
      | 10000000.00 | 2024-08-23 | Wu    | 100000      | self | breach  |

    Examples: what does not count
      | first   | day        | owner | second   | mode      | outcome |
      | 9800000 | 2024-08-23 | Zhou  | 9800000  | self      | pass    |
      | 9800000 | 2024-08-23 | Wu    | 9800000  | entrusted | pass    |
      | 9800000 | 2024-08-23 | Wu    | 10000001 | self      | pass    |
      | 9800000 | 2024-08-23 |       | 9800000  | entrusted | pass    |
      | 9800000 | 2024-08-23 |       | 10000001 | self      | pass    |
      | 9800000 | 2024-08-23 |       | 9800000  | self      | unknown |
      | 100000  | 2024-08-23 |       | 100000   | self      | unknown |

  Scenario: PAY-08 two payments to one payee, whoever owns it
    Given payments are
      | date       | payee | payee_owner | amount  | mode |
      | 2024-08-20 | A     |             | 6000000 | self |
      | 2024-08-23 | A     |             | 6000000 | self |
    When the file is judged by PAY-08
    Then the outcome is breach

  Scenario: PAY-08 three payments
    Given payments are
      | date       | payee | payee_owner | amount  | mode |
      | 2024-08-20 | A     | Wu          | 4000000 | self |
      | 2024-08-23 | B     | Wu          | 4000000 | self |
      | 2024-08-26 | C     | Wu          | 4000000 | self |
    When the file is judged by PAY-08
    Then the outcome is breach

  Scenario Outline: PAY-08 the line of a personal business loan is 500,000 yuan
    Given application.product is personal_business
    And payments are
      | date       | payee | payee_owner | amount   | mode |
      | 2024-08-20 | A     | Wu          | 250000   | self |
      | 2024-08-23 | A     | Wu          | <second> | self |
    When the file is judged by PAY-08
    Then the outcome is <outcome>

    Examples:
      | second    | outcome |
      | 250000.00 | pass    |
      | 250000.01 | breach  |

  Scenario Outline: PAY-08 the bank's own line before 1 July 2024
    Given the book is dated 2024-06-30
    And application.product is <product>
    And payments are
      | date       | payee | payee_owner | amount   | mode |
      | 2024-06-03 | A     | Wu          | <first>  | self |
      | 2024-06-05 | A     | Wu          | <second> | self |
    When the file is judged by PAY-08
    Then the outcome is <outcome>

    Examples:
      | product           | first   | second     | outcome |
      | working_capital   | 5000000 | 5000000.00 | pass    |
      | working_capital   | 5000000 | 5000000.01 | breach  |
      | personal_business | 250000  | 250000.00  | pass    |
      | personal_business | 250000  | 250000.01  | breach  |

  Scenario: PAY-08 does not apply to a fixed-asset loan
    Given application.product is fixed_asset
    And payments are
      | date       | payee | payee_owner | amount  | mode |
      | 2024-08-20 | A     | Wu          | 9800000 | self |
      | 2024-08-23 | A     | Wu          | 9800000 | self |
    When the file is judged by PAY-08
    Then the outcome is not applicable

  Scenario: PAY-08 does not apply where nothing was paid
    Given there are no payments
    When the file is judged by PAY-08
    Then the outcome is not applicable

  Scenario: PAY-08 is open while the payments are not known
    Given payments is missing
    When the file is judged by PAY-08
    Then the outcome is unknown
    And the missing facts are payments
