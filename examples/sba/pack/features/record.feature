Feature: The record agrees with itself

  Background:
    Given the loan file "ordinary guaranteed loan"

  Scenario Outline: FY-01 the fiscal year began in July, then in October
    Given approval.approved_on is <day>
    And approval.fiscal_year is <year>
    And approval.transition_quarter is <quarter>
    When the file is judged by FY-01
    Then the version in force is from <version>
    And the outcome is <outcome>

    Examples:
      | day        | year | quarter | version    | outcome |
      | 1971-06-30 | 1971 | false   | 1953-07-30 | pass    |
      | 1971-08-13 | 1972 | false   | 1953-07-30 | pass    |
      | 1971-08-13 | 1971 | false   | 1953-07-30 | breach  |
      | 1976-06-30 | 1976 | false   | 1953-07-30 | pass    |
      | 1976-07-01 | 1976 | true    | 1976-07-01 | pass    |
      | 1976-09-30 | 1977 | false   | 1976-07-01 | breach  |
      | 1976-10-01 | 1977 | false   | 1976-10-01 | pass    |
      | 1976-10-01 | 1976 | true    | 1976-10-01 | breach  |
      | 1997-09-30 | 1997 | false   | 1976-10-01 | pass    |
      | 1997-10-01 | 1997 | false   | 1976-10-01 | breach  |

  Scenario: FY-01 is open without the fiscal year
    Given approval.fiscal_year is missing
    When the file is judged by FY-01
    Then the outcome is unknown
    And the missing facts are approval.fiscal_year

  Scenario Outline: REC-01 industries are recorded from October 2000 on
    Given approval.approved_on is <day>
    And borrower.naics is missing
    When the file is judged by REC-01
    Then the outcome is <outcome>

    Examples:
      | day        | outcome        |
      | 2000-09-30 | not applicable |
      | 2000-10-01 | breach         |

  Scenario: REC-02 a code outside the data dictionary says nothing
    Given borrower.stage is missing
    When the file is judged by REC-02
    Then the outcome is breach

  Scenario: an ordinary record passes
    When the file is judged by REC-02
    Then the outcome is pass

  Scenario Outline: DSB-01 approval comes first
    Given disbursement.first_on is <day>
    When the file is judged by DSB-01
    Then the outcome is <outcome>

    Examples:
      | day        | outcome |
      | 2004-07-12 | pass    |
      | 2004-07-11 | breach  |

  Scenario: DSB-01 says nothing of a loan without a disbursement
    Given disbursement.first_on is missing
    When the file is judged by DSB-01
    Then the outcome is not applicable

  Scenario Outline: DSB-02 draw-downs beyond the amount are normal for revolving lines
    Given disbursement.amount is <drawn>
    And approval.revolving is <revolving>
    When the file is judged by DSB-02
    Then the outcome is <outcome>

    Examples:
      | drawn     | revolving | outcome |
      | 100000    | false     | pass    |
      | 100000.01 | false     | breach  |
      | 100000.01 | true      | pass    |

  Scenario: DSB-02 a junk code leaves it open, but only where it matters
    Given approval.revolving is missing
    And disbursement.amount is 200000
    When the file is judged by DSB-02
    Then the outcome is unknown
    And the missing facts are approval.revolving

  Scenario: DSB-02 within the amount the code does not matter
    Given approval.revolving is missing
    When the file is judged by DSB-02
    Then the outcome is pass

  Scenario: DSB-03 money without a date
    Given disbursement.first_on is missing
    When the file is judged by DSB-03
    Then the outcome is breach

  Scenario: DSB-03 nothing was disbursed
    Given disbursement.first_on is missing
    And disbursement.amount is 0
    When the file is judged by DSB-03
    Then the outcome is not applicable

  Scenario Outline: DSB-04 the first disbursement follows within a year
    Given disbursement.first_on is <day>
    When the file is judged by DSB-04
    Then the outcome is <outcome>

    Examples:
      | day        | outcome |
      | 2005-07-12 | pass    |
      | 2005-07-13 | breach  |

  Scenario: DSB-04 is not due while the year runs
    Given the book is dated 2005-07-11
    And disbursement.first_on is missing
    When the file is judged by DSB-04
    Then the outcome is not due

  Scenario Outline: status and charge-off agree
    Given loan.status is <status>
    And loan.charged_off_on is <day>
    And loan.charged_off_amount is <amount>
    When the file is judged by <rule>
    Then the outcome is <outcome>

    Examples:
      | status       | day        | amount    | rule   | outcome        |
      | paid_in_full | 2008-06-04 | 0         | STA-02 | breach         |
      | charged_off  | 2008-06-04 | 100000    | STA-02 | not applicable |
      | charged_off  | 2008-06-04 | 100000    | STA-03 | pass           |
      | paid_in_full | 2008-06-04 | 100000    | STA-03 | not applicable |
      | charged_off  | 2008-06-04 | 0         | STA-04 | breach         |
      | charged_off  | 2008-06-04 | 0.01      | STA-04 | pass           |
      | charged_off  | 2008-06-04 | 100000    | STA-05 | pass           |
      | charged_off  | 2008-06-04 | 100000.01 | STA-05 | breach         |
      | charged_off  | 2004-08-31 | 1         | STA-06 | pass           |
      | charged_off  | 2004-08-30 | 1         | STA-06 | breach         |

  Scenario: STA-02 paid in full without a trace of a charge-off
    When the file is judged by STA-02
    Then the outcome is pass

  Scenario: STA-03 a charge-off without a date
    Given loan.status is charged_off
    When the file is judged by STA-03
    Then the outcome is breach

  Scenario: STA-01 an empty status
    Given loan.status is missing
    When the file is judged by STA-01
    Then the outcome is breach

  Scenario: STA-02 an empty status leaves it open
    Given loan.status is missing
    And loan.charged_off_amount is 5000
    When the file is judged by STA-02
    Then the outcome is unknown
    And the missing facts are loan.status

  Scenario: STA-07 a settled loan with a balance
    Given loan.balance is 0.01
    When the file is judged by STA-07
    Then the outcome is breach
