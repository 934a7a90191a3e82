Feature: Concentration by industry
  The share of one industry division (GB/T 4754-2017, two digits) in the balance of the book,
  at the warning line of 20 per cent and the stop line of 30 per cent.

  Scenario: CON-01 at the warning line
    Given a book of files
      | borrower.industry_code | loan.balance |
      | 3484                   | 1000000      |
      | 3421                   | 1000000      |
      | 5121                   | 2000000      |
      | 4710                   | 2000000      |
      | 5430                   | 2000000      |
      | 6513                   | 2000000      |
    When the book is judged by CON-01
    Then the outcome of "34" is pass
    And the outcome of "51" is pass

  Scenario: CON-01 just above and just below the warning line
    Given a book of files
      | borrower.industry_code | loan.balance |
      | 3484                   | 2000000.01   |
      | 5121                   | 1999999.99   |
      | 4710                   | 2000000      |
      | 5430                   | 2000000      |
      | 6513                   | 2000000      |
    When the book is judged by CON-01
    Then the outcome of "34" is breach
    And the outcome of "51" is pass
    And the outcome of "47" is pass

  Scenario: CON-01 does not count loans that are repaid
    Given a book of files
      | borrower.industry_code | loan.balance |
      | 3484                   | 2000000      |
      | 3484                   | 0            |
      | 5121                   | 2000000      |
      | 4710                   | 2000000      |
      | 5430                   | 2000000      |
      | 6513                   | 2000000      |
    When the book is judged by CON-01
    Then the outcome of "34" is pass

  Scenario: CON-01 cannot tell while a balance of the group is lacking
    Given a book of files
      | borrower.industry_code | loan.balance |
      | 3484                   | 2000000      |
      | 3484                   |              |
      | 5121                   | 8000000      |
    When the book is judged by CON-01
    Then the outcome of "34" is unknown

  Scenario: CON-01 cannot tell while a loan may belong to any industry
    Given a book of files
      | borrower.industry_code | loan.balance |
      | 3484                   | 2000000      |
      | 5121                   | 7900000      |
      |                        | 100000       |
    When the book is judged by CON-01
    Then the outcome of "34" is unknown
    And the outcome of "51" is breach

  Scenario: CON-01S at the stop line
    Given a book of files
      | borrower.industry_code | loan.balance |
      | 3484                   | 3000000      |
      | 5121                   | 3000000      |
      | 4710                   | 3000000      |
      | 5430                   | 1000000      |
    When the book is judged by CON-01S
    Then the outcome of "34" is pass
    And the outcome of "54" is pass

  Scenario: CON-01S just above and just below the stop line
    Given a book of files
      | borrower.industry_code | loan.balance |
      | 3484                   | 3000000.01   |
      | 5121                   | 2999999.99   |
      | 4710                   | 2000000      |
      | 5430                   | 2000000      |
    When the book is judged by CON-01S
    Then the outcome of "34" is breach
    And the outcome of "51" is pass

  Scenario: CON-01S cannot tell while a balance is lacking
    Given a book of files
      | borrower.industry_code | loan.balance |
      | 3484                   | 3000000      |
      | 3484                   |              |
      | 5121                   | 7000000      |
    When the book is judged by CON-01S
    Then the outcome of "34" is unknown
