Feature: Extension, rollover and the grade of renewed loans

  Background:
    Given a loan file
    And the book is dated 2024-12-31

  Scenario Outline: TRM-06 extension within the original term, or half of it
    Given contract.signed_on is 2023-01-10
    And the book is dated <day>
    And loan.original_term_months is <term>
    And loan.extension_months is <extension>
    When the file is judged by TRM-06
    Then the outcome is <outcome>

    Examples:
      | day        | term | extension | outcome        |
      | 2024-12-31 | 12   | 11        | pass           |
      | 2024-12-31 | 12   | 12        | pass           |
      | 2024-12-31 | 12   | 13        | breach         |
      | 2024-12-31 | 13   | 6         | pass           |
      | 2024-12-31 | 13   | 7         | breach         |
      | 2024-12-31 | 18   | 9         | pass           |
      | 2024-12-31 | 18   | 10        | breach         |
      | 2024-12-31 | 24   | 12        | pass           |
      | 2024-12-31 | 24   | 13        | breach         |
      | 2024-12-31 | 6    | 0         | not applicable |
      | 2024-06-30 | 12   | 13        | not applicable |
      | 2024-07-01 | 12   | 13        | breach         |

  Scenario: TRM-06 is open while the original term is not known
    Given loan.extension_months is 6
    When the file is judged by TRM-06
    Then the outcome is unknown
    And the missing facts are loan.original_term_months

  Scenario Outline: EVG-02 three rollovers in a row without repayment of principal
    Given loan.rollovers is <rollovers>
    And loan.grade is normal
    When the file is judged by EVG-02
    Then the outcome is <outcome>

    Examples:
      | rollovers | outcome        |
      | 0         | not applicable |
      | 1         | pass           |
      | 2         | pass           |
      | 3         | breach         |
      | 4         | breach         |

  Scenario: EVG-02 is open while the rollovers are not known
    Given loan.rollovers is missing
    When the file is judged by EVG-02
    Then the outcome is unknown
    And the missing facts are loan.rollovers

  Scenario Outline: REN-03 a renewed loan stays normal only on every condition
    Given the loan file "secured renewal"
    And application.prior_grade is normal
    And <fact> is <value>
    When the file is judged by REN-03
    Then the outcome is <outcome>

    Examples:
      | fact                         | value           | outcome        |
      | loan.grade                   | normal          | pass           |
      | application.prior_grade      | special_mention | breach         |
      | borrower.registration_status | moved_out       | breach         |
      | borrower.abnormal_list       | true            | breach         |
      | borrower.dishonest_debtor    | true            | breach         |
      | loan.days_past_due           | 1               | breach         |
      | loan.grade                   | special_mention | not applicable |
      | application.issue_type       | new             | not applicable |

  Scenario Outline: REN-03 a transfer to a wealth product, cleared or not
    Given the loan file "secured renewal"
    And application.prior_grade is normal
    And transactions are
      | date       | amount | party   | cleared_on |
      | 2024-11-01 | 100000 | <party> | <cleared>  |
    When the file is judged by REN-03
    Then the outcome is <outcome>

    Examples:
      | party    | cleared    | outcome |
      | wealth   |            | breach  |
      | property |            | breach  |
      | wealth   | 2024-11-20 | pass    |
      | supplier |            | pass    |

  Scenario: REN-03 is open while the grade of the old loan is not known
    Given the loan file "secured renewal"
    And application.prior_grade is missing
    When the file is judged by REN-03
    Then the outcome is unknown
    And the missing facts are application.prior_grade
