Feature: Use of funds: coming back, guarantor, cash, untraced

  Background:
    Given a loan file
    And the book is dated 2024-12-31
    And disbursements are
      | loan_no | date       | amount  |
      | L1-01   | 2024-08-27 | 8000000 |

  Scenario Outline: FND-01 ten per cent of a drawdown within thirty days over three steps
    Given transactions are
      | date   | amount   | hop   | party   | cleared_on |
      | <date> | <amount> | <hop> | <party> | <cleared>  |
    When the file is judged by FND-01
    Then the outcome is <outcome>

    Examples:
      | date       | amount    | hop | party      | cleared    | outcome |
      | 2024-08-31 | 8000000   | 2   | controller |            | breach  |
      | 2024-08-31 | 800000.00 | 2   | borrower   |            | breach  |
      | 2024-08-31 | 799999.99 | 2   | borrower   |            | pass    |
      | 2024-09-26 | 800000    | 3   | controller |            | breach  |
      | 2024-09-27 | 800000    | 3   | controller |            | pass    |
      | 2024-08-27 | 800000    | 2   | controller |            | breach  |
      | 2024-08-26 | 800000    | 2   | controller |            | pass    |
      | 2024-08-31 | 800000    | 4   | controller |            | pass    |
      | 2024-08-31 | 800000    | 2   | supplier   |            | pass    |
      | 2024-08-31 | 800000    | 2   | controller | 2024-09-30 | pass    |
      | 2024-08-31 | 800000    |     | controller |            | unknown |
      | 2024-08-31 | 800000    | 2   |            |            | unknown |
      | 2024-08-31 |           | 2   | supplier   |            | pass    |

  Scenario: FND-01 small amounts add up
    Given transactions are
      | date       | amount | hop | party      |
      | 2024-08-31 | 400000 | 2   | controller |
      | 2024-09-05 | 400000 | 3   | borrower   |
    When the file is judged by FND-01
    Then the outcome is breach

  Scenario: FND-01 a transfer a day after the book is not seen
    Given the book is dated 2024-08-30
    And transactions are
      | date       | amount  | hop | party      |
      | 2024-08-31 | 8000000 | 2   | controller |
    When the file is judged by FND-01
    Then the outcome is pass

  Scenario Outline: The fund rules do not apply before a drawdown
    Given there are no disbursements
    And there are no transactions
    When the file is judged by <rule>
    Then the outcome is not applicable

    Examples:
      | rule   |
      | FND-01 |
      | FND-02 |
      | FND-04 |
      | FND-05 |
      | FND-07 |
      | FND-08 |

  Scenario Outline: The fund rules are open while the transactions are not known
    Given transactions is missing
    When the file is judged by <rule>
    Then the outcome is unknown
    And the missing facts are transactions

    Examples:
      | rule   |
      | FND-01 |
      | FND-02 |
      | FND-04 |
      | FND-05 |
      | FND-07 |
      | FND-08 |

  Scenario Outline: FND-02 five per cent of the disbursements reach a guarantor
    Given transactions are
      | date       | amount   | hop | party   | cleared_on |
      | 2024-09-03 | <amount> | 2   | <party> | <cleared>  |
    When the file is judged by FND-02
    Then the outcome is <outcome>

    Examples:
      | amount    | party     | cleared    | outcome |
      | 399999.99 | guarantor |            | pass    |
      | 400000.00 | guarantor |            | breach  |
      | 400000.01 | guarantor |            | breach  |
      | 400000.00 | guarantor | 2024-10-01 | pass    |
      | 400000.00 | supplier  |            | pass    |

  Scenario Outline: FND-07 cash of a day
    Given transactions are
      | date       | amount   | party |
      | 2024-09-03 | 20000    | cash  |
      | <date>     | <amount> | cash  |
    When the file is judged by FND-07
    Then the outcome is <outcome>

    Examples:
      | date       | amount   | outcome |
      | 2024-09-03 | 29999.99 | pass    |
      | 2024-09-03 | 30000.00 | breach  |
      | 2024-09-04 | 49999.99 | pass    |
      | 2024-09-04 | 50000.00 | breach  |

  Scenario Outline: FND-07 cash of the whole loan
    Given disbursements are
      | loan_no | date       | amount |
      | L1-01   | 2024-08-27 | 800000 |
    And transactions are
      | date       | amount   | party | cleared_on |
      | 2024-09-03 | 20000    | cash  |            |
      | 2024-09-10 | <amount> | cash  | <cleared>  |
    When the file is judged by FND-07
    Then the outcome is <outcome>

    Examples:
      | amount   | cleared    | outcome |
      | 20000.00 |            | pass    |
      | 20000.01 |            | breach  |
      | 20000.01 | 2024-09-20 | pass    |

  Scenario Outline: FND-08 a fifth of the loan untraced for more than fifteen days
    Given transactions are
      | date   | amount   | party   | to_is_ours | cleared_on |
      | <date> | <amount> | <party> | <ours>     | <cleared>  |
    When the file is judged by FND-08
    Then the outcome is <outcome>

    Examples:
      | date       | amount     | party     | ours  | cleared    | outcome |
      | 2024-12-15 | 1600000.01 | peer_bank | false |            | breach  |
      | 2024-12-16 | 1600000.01 | peer_bank | false |            | pass    |
      | 2024-12-15 | 1600000.00 | peer_bank | false |            | pass    |
      | 2024-12-15 | 1600000.01 | unknown   | false |            | breach  |
      | 2024-12-15 | 1600000.01 | unknown   | true  |            | pass    |
      | 2024-12-15 | 1600000.01 | supplier  | false |            | pass    |
      | 2024-12-15 | 1600000.01 | peer_bank | false | 2024-12-20 | pass    |
      | 2024-12-15 | 1600000.01 | peer_bank |       |            | unknown |
