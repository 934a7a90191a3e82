Feature: Limits of the guarantee programmes by date of approval

  Background:
    Given the loan file "ordinary guaranteed loan"

  Scenario Outline: CAP-01 the largest loan follows its dates
    Given approval.approved_on is <day>
    And approval.amount is <amount>
    When the file is judged by CAP-01
    Then the outcome is <outcome>

    Examples:
      | day        | amount     | outcome        |
      | 2000-12-20 | 2500000    | not applicable |
      | 2000-12-21 | 2000000    | pass           |
      | 2000-12-21 | 2000000.01 | breach         |
      | 2004-02-02 | 750000.01  | breach         |
      | 2004-04-05 | 2000000    | pass           |
      | 2010-09-27 | 5000000    | pass           |

  Scenario: CAP-01 is open without an amount
    Given approval.amount is missing
    When the file is judged by CAP-01
    Then the outcome is unknown
    And the missing facts are approval.amount

  Scenario Outline: CAP-02 the largest guarantee follows its dates
    Given approval.approved_on is <day>
    And approval.amount is 2000000
    And approval.guaranteed is <guaranteed>
    When the file is judged by CAP-02
    Then the outcome is <outcome>

    Examples:
      | day        | guaranteed | outcome        |
      | 1980-06-02 | 500000     | pass           |
      | 1980-06-02 | 500001     | breach         |
      | 1997-03-10 | 750000     | pass           |
      | 1997-03-10 | 760000     | breach         |
      | 2004-04-04 | 1000001    | breach         |
      | 2004-04-05 | 1500000    | pass           |
      | 2006-02-07 | 2000000    | not applicable |

  Scenario: CAP-02 is open without the amount guaranteed
    Given approval.guaranteed is missing
    When the file is judged by CAP-02
    Then the outcome is unknown
    And the missing facts are approval.guaranteed

  Scenario Outline: CAP-03 a full guarantee is measured by the debenture limit
    Given approval.approved_on is <day>
    And approval.amount is <amount>
    And approval.guaranteed is <guaranteed>
    When the file is judged by CAP-03
    Then the outcome is <outcome>

    Examples:
      | day        | amount     | guaranteed | outcome        |
      | 1997-03-03 | 1000000    | 1000000    | pass           |
      | 1997-03-03 | 1000000.01 | 1000000.01 | breach         |
      | 2006-02-07 | 2000000    | 2000000    | pass           |
      | 2006-02-07 | 2000000    | 1500000    | not applicable |

  Scenario Outline: CAP-04 the limit of low-documentation loans rises in October 1998
    Given approval.approved_on is <day>
    And approval.low_doc is <low_doc>
    And approval.amount is <amount>
    When the file is judged by CAP-04
    Then the outcome is <outcome>

    Examples:
      | day        | low_doc | amount    | outcome        |
      | 1997-03-03 | true    | 100000    | pass           |
      | 1998-09-30 | true    | 100000.01 | breach         |
      | 1998-10-01 | true    | 150000    | pass           |
      | 1998-10-01 | true    | 150000.01 | breach         |
      | 1997-03-03 | false   | 200000    | not applicable |

  Scenario: CAP-04 is open where the programme code cannot be read
    Given approval.low_doc is missing
    And approval.amount is 200000
    When the file is judged by CAP-04
    Then the outcome is unknown
    And the missing facts are approval.low_doc

  Scenario Outline: GUA-01 the share follows amount and date, to the dollar
    Given approval.approved_on is <day>
    And approval.amount is <amount>
    And approval.guaranteed is <guaranteed>
    When the file is judged by GUA-01
    Then the outcome is <outcome>

    Examples:
      | day        | amount | guaranteed | outcome        |
      | 1980-07-31 | 310000 | 279000     | pass           |
      | 1986-04-07 | 155000 | 139500     | pass           |
      | 1986-04-07 | 155001 | 139500     | breach         |
      | 1995-10-11 | 100000 | 90000      | pass           |
      | 1995-10-12 | 100000 | 80001      | pass           |
      | 1995-10-12 | 100000 | 80001.01   | breach         |
      | 1997-03-05 | 400000 | 360000     | breach         |
      | 2000-12-21 | 150000 | 127500     | pass           |
      | 2006-02-10 | 160000 | 136000     | breach         |
      | 2006-02-10 | 160000 | 160000     | not applicable |

  Scenario: GUA-01 is open without the amount guaranteed
    Given approval.guaranteed is missing
    When the file is judged by GUA-01
    Then the outcome is unknown
    And the missing facts are approval.guaranteed

  Scenario Outline: GUA-02 no more than the loan is guaranteed
    Given approval.guaranteed is <guaranteed>
    When the file is judged by GUA-02
    Then the outcome is <outcome>

    Examples:
      | guaranteed | outcome |
      | 100000     | pass    |
      | 100000.01  | breach  |

  Scenario Outline: GUA-03 a low-documentation loan does not revolve
    Given approval.low_doc is <low_doc>
    And approval.revolving is <revolving>
    When the file is judged by GUA-03
    Then the outcome is <outcome>

    Examples:
      | low_doc | revolving | outcome        |
      | true    | false     | pass           |
      | true    | true      | breach         |
      | false   | true      | not applicable |

  Scenario: GUA-03 is open where the code of the line cannot be read
    Given approval.low_doc is true
    And approval.revolving is missing
    When the file is judged by GUA-03
    Then the outcome is unknown
    And the missing facts are approval.revolving

  Scenario Outline: TRM-01 and TRM-02 the term is stated and at most 25 years
    Given approval.term_months is <months>
    When the file is judged by <rule>
    Then the outcome is <outcome>

    Examples:
      | months | rule   | outcome |
      | 0      | TRM-01 | breach  |
      | 1      | TRM-01 | pass    |
      | 300    | TRM-02 | pass    |
      | 301    | TRM-02 | breach  |

  Scenario Outline: TRM-03 a full guarantee runs ten or twenty years
    Given approval.guaranteed is <guaranteed>
    And approval.term_months is <months>
    When the file is judged by TRM-03
    Then the outcome is <outcome>

    Examples:
      | guaranteed | months | outcome        |
      | 100000     | 120    | pass           |
      | 100000     | 240    | pass           |
      | 100000     | 20     | breach         |
      | 85000      | 20     | not applicable |

  Scenario Outline: TRM-04 an express line of credit runs at most seven years
    Given approval.revolving is <revolving>
    And approval.guaranteed is <guaranteed>
    And approval.term_months is <months>
    When the file is judged by TRM-04
    Then the outcome is <outcome>

    Examples:
      | revolving | guaranteed | months | outcome        |
      | true      | 50000      | 84     | pass           |
      | true      | 50000      | 85     | breach         |
      | true      | 75000      | 120    | not applicable |
      | false     | 50000      | 120    | not applicable |

  Scenario: TRM-04 is open where the code of the line cannot be read
    Given approval.revolving is missing
    And approval.guaranteed is 50000
    And approval.term_months is 120
    When the file is judged by TRM-04
    Then the outcome is unknown
    And the missing facts are approval.revolving

  Scenario: CON-01 one lender has more than a tenth
    Given a book of files
      | lender.name | approval.approved_on | approval.amount |
      | A           | 2004-07-12           | 10              |
      | B           | 2004-07-12           | 10              |
      | C           | 2004-07-12           | 80              |
    When the book is judged by CON-01
    Then the outcome of "A" is pass
    And the outcome of "C" is breach
