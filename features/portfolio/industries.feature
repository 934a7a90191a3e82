Feature: Concentration by industry
  The share of one industry section in the balance of the book, at the warning line of 20 per cent and the stop line
  of 30 per cent.

  Scenario: CON-01 at the warning line
    Given a book of files
      | borrower.industry_section | loan.balance |
      | C                         | 1000000      |
      | C                         | 1000000      |
      | F                         | 2000000      |
      | E                         | 2000000      |
      | G                         | 2000000      |
      | I                         | 2000000      |
    When the book is judged by CON-01
    Then the outcome of "C" is pass
    And the outcome of "F" is pass

  Scenario: CON-01 just above and just below the warning line
    Given a book of files
      | borrower.industry_section | loan.balance |
      | C                         | 2000000.01   |
      | F                         | 1999999.99   |
      | E                         | 2000000      |
      | G                         | 2000000      |
      | I                         | 2000000      |
    When the book is judged by CON-01
    Then the outcome of "C" is breach
    And the outcome of "F" is pass
    And the outcome of "E" is pass

  Scenario: CON-01 does not count loans that are repaid
    Given a book of files
      | borrower.industry_section | loan.balance |
      | C                         | 2000000      |
      | C                         | 0            |
      | F                         | 2000000      |
      | E                         | 2000000      |
      | G                         | 2000000      |
      | I                         | 2000000      |
    When the book is judged by CON-01
    Then the outcome of "C" is pass

  Scenario: CON-01 cannot tell while a balance of the group is lacking
    Given a book of files
      | borrower.industry_section | loan.balance |
      | C                         | 2000000      |
      | C                         |              |
      | F                         | 8000000      |
    When the book is judged by CON-01
    Then the outcome of "C" is unknown

  Scenario: CON-01S at the stop line
    Given a book of files
      | borrower.industry_section | loan.balance |
      | C                         | 3000000      |
      | F                         | 3000000      |
      | E                         | 3000000      |
      | G                         | 1000000      |
    When the book is judged by CON-01S
    Then the outcome of "C" is pass
    And the outcome of "G" is pass

  Scenario: CON-01S just above and just below the stop line
    Given a book of files
      | borrower.industry_section | loan.balance |
      | C                         | 3000000.01   |
      | F                         | 2999999.99   |
      | E                         | 2000000      |
      | G                         | 2000000      |
    When the book is judged by CON-01S
    Then the outcome of "C" is breach
    And the outcome of "F" is pass

  Scenario: CON-01S cannot tell while a balance is lacking
    Given a book of files
      | borrower.industry_section | loan.balance |
      | C                         | 3000000      |
      | C                         |              |
      | F                         | 7000000      |
    When the book is judged by CON-01S
    Then the outcome of "C" is unknown
