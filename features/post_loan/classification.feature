Feature: Five-tier classification

  Background:
    Given a loan file
    And the book is dated 2024-12-31

  Scenario Outline: The days past due bound the grade
    Given loan.days_past_due is <days>
    And loan.grade is <grade>
    When the file is judged by <rule>
    Then the outcome is <outcome>

    Examples: CLS-01, any overdue
      | rule   | days | grade           | outcome        |
      | CLS-01 | 0    | normal          | not applicable |
      | CLS-01 | 1    | normal          | breach         |
      | CLS-01 | 1    | special_mention | pass           |
      | CLS-01 | 2    | normal          | breach         |
      | CLS-01 | 400  | loss            | pass           |

    Examples: CLS-02, more than 90 days
      | rule   | days | grade           | outcome        |
      | CLS-02 | 0    | normal          | not applicable |
      | CLS-02 | 89   | special_mention | pass           |
      | CLS-02 | 90   | special_mention | pass           |
      | CLS-02 | 91   | special_mention | breach         |
      | CLS-02 | 97   | special_mention | breach         |
      | CLS-02 | 91   | normal          | breach         |
      | CLS-02 | 91   | substandard     | pass           |
      | CLS-02 | 91   | doubtful        | pass           |
      | CLS-02 | 91   | loss            | pass           |

    Examples: CLS-03, more than 270 days
      | rule   | days | grade       | outcome        |
      | CLS-03 | 0    | normal      | not applicable |
      | CLS-03 | 269  | substandard | pass           |
      | CLS-03 | 270  | substandard | pass           |
      | CLS-03 | 271  | substandard | breach         |
      | CLS-03 | 271  | doubtful    | pass           |
      | CLS-03 | 271  | loss        | pass           |

    Examples: CLS-04, more than 360 days
      | rule   | days | grade    | outcome        |
      | CLS-04 | 0    | normal   | not applicable |
      | CLS-04 | 359  | doubtful | pass           |
      | CLS-04 | 360  | doubtful | pass           |
      | CLS-04 | 361  | doubtful | breach         |
      | CLS-04 | 361  | loss     | pass           |

  Scenario Outline: The measures of 2023 speak from 1 July 2023 on
    Given the book is dated <day>
    And loan.days_past_due is 400
    And loan.grade is normal
    When the file is judged by <rule>
    Then the outcome is <outcome>

    Examples:
      | rule   | day        | outcome        |
      | CLS-01 | 2023-06-30 | not applicable |
      | CLS-01 | 2023-07-01 | breach         |
      | CLS-02 | 2023-06-30 | not applicable |
      | CLS-02 | 2023-07-01 | breach         |
      | CLS-03 | 2023-06-30 | not applicable |
      | CLS-03 | 2023-07-01 | breach         |
      | CLS-04 | 2023-06-30 | not applicable |
      | CLS-04 | 2023-07-01 | breach         |

  Scenario Outline: Without a grade an overdue loan is open
    Given loan.days_past_due is 400
    And loan.grade is missing
    When the file is judged by <rule>
    Then the outcome is unknown
    And the missing facts are loan.grade

    Examples:
      | rule   |
      | CLS-01 |
      | CLS-02 |
      | CLS-03 |
      | CLS-04 |

  Scenario: CLS-02 within ninety days the grade does not matter
    Given loan.days_past_due is 45
    And loan.grade is missing
    When the file is judged by CLS-02
    Then the outcome is pass

  Scenario Outline: CLS-15 classification within 92 days
    Given loan.balance is <balance>
    And loan.classified_on is <classified>
    And disbursements are
      | date        | amount  |
      | <disbursed> | 1000000 |
    When the file is judged by CLS-15
    Then the outcome is <outcome>

    Examples:
      | balance | classified | disbursed  | outcome        |
      | 1000000 | 2024-12-16 | 2024-01-10 | pass           |
      | 1000000 | 2024-09-30 | 2024-01-10 | pass           |
      | 1000000 | 2024-09-29 | 2024-01-10 | breach         |
      | 0       | 2024-01-10 | 2024-01-10 | not applicable |
      | 1000000 | 2024-09-01 | 2024-09-30 | not applicable |
      | 1000000 | 2024-09-01 | 2024-09-29 | breach         |

  Scenario: CLS-15 is open while the last classification is not known
    Given loan.balance is 1000000
    And disbursements are
      | date       | amount  |
      | 2024-01-10 | 1000000 |
    When the file is judged by CLS-15
    Then the outcome is unknown
    And the missing facts are loan.classified_on
