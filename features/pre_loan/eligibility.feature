Feature: Who may borrow
  The borrower is lawfully registered, on no negative list, and neither a related person without security
  nor a public official.

  Background:
    Given the loan file "ordinary working-capital loan"

  Scenario Outline: PRE-01 asks for an active registration
    Given borrower.registration_status is <status>
    When the file is judged by PRE-01
    Then the outcome is <outcome>

    Examples:
      | status    | outcome |
      | active    | pass    |
      | revoked   | breach  |
      | cancelled | breach  |
      | moved_out | breach  |

  Scenario Outline: PRE-01 does not speak of people or of refused applications
    Given <fact> is <value>
    When the file is judged by PRE-01
    Then the outcome is not applicable

    Examples:
      | fact              | value            |
      | borrower.kind     | individual_owner |
      | approval.decision | rejected         |
      | approval.decision | withdrawn        |

  Scenario: PRE-01 cannot tell without the registration status
    Given borrower.registration_status is missing
    When the file is judged by PRE-01
    Then the outcome is unknown
    And the missing facts are borrower.registration_status

  Scenario Outline: PRE-05 looks at every negative list
    Given <fact> is <value>
    When the file is judged by PRE-05
    Then the outcome is <outcome>

    Examples:
      | fact                      | value    | outcome        |
      | borrower.tax_rating       | A        | pass           |
      | borrower.tax_rating       | C        | pass           |
      | borrower.tax_rating       | D        | breach         |
      | borrower.abnormal_list    | true     | breach         |
      | borrower.dishonest_debtor | true     | breach         |
      | approval.decision         | rejected | not applicable |

  Scenario Outline: PRE-05 judges people by the list of dishonest debtors alone
    Given the loan file "ordinary personal business loan"
    And <fact> is <value>
    When the file is judged by PRE-05
    Then the outcome is <outcome>

    Examples:
      | fact                      | value | outcome |
      | borrower.tax_rating       | D     | pass    |
      | borrower.abnormal_list    | true  | pass    |
      | borrower.dishonest_debtor | true  | breach  |

  Scenario Outline: PRE-05 cannot tell while a list was not looked up
    Given <fact> is missing
    When the file is judged by PRE-05
    Then the outcome is unknown
    And the missing facts are <fact>

    Examples:
      | fact                      |
      | borrower.tax_rating       |
      | borrower.abnormal_list    |
      | borrower.dishonest_debtor |

  Scenario: PRE-05 finds a listed borrower although another list was not looked up
    Given borrower.dishonest_debtor is true
    And borrower.tax_rating is missing
    When the file is judged by PRE-05
    Then the outcome is breach

  Scenario Outline: PRE-08 allows a related person a secured loan only
    Given borrower.is_related_person is <related>
    And application.security is <security>
    When the file is judged by PRE-08
    Then the outcome is <outcome>

    Examples:
      | related | security       | outcome        |
      | true    | real_estate    | pass           |
      | true    | deposit_pledge | pass           |
      | true    | guarantee      | pass           |
      | true    | unsecured      | breach         |
      | false   | unsecured      | not applicable |

  Scenario: PRE-08 does not speak of refused applications
    Given borrower.is_related_person is true
    And application.security is unsecured
    And approval.decision is rejected
    When the file is judged by PRE-08
    Then the outcome is not applicable

  Scenario: PRE-08 cannot tell without knowing whether the borrower is related
    Given borrower.is_related_person is missing
    And application.security is unsecured
    When the file is judged by PRE-08
    Then the outcome is unknown
    And the missing facts are borrower.is_related_person

  Scenario Outline: PRE-08 is in force from the day of the law on
    Given borrower.is_related_person is true
    And application.security is unsecured
    And approval.decided_on is <day>
    When the file is judged by PRE-08
    Then the outcome is <outcome>

    Examples:
      | day        | outcome        |
      | 2015-09-30 | not applicable |
      | 2015-10-01 | breach         |

  Scenario Outline: PRE-09 bars business loans to public officials
    Given the loan file "ordinary personal business loan"
    And borrower.public_official is <official>
    When the file is judged by PRE-09
    Then the outcome is <outcome>

    Examples:
      | official | outcome |
      | false    | pass    |
      | true     | breach  |

  Scenario: PRE-09 does not speak of loans to firms
    Given borrower.public_official is true
    When the file is judged by PRE-09
    Then the outcome is not applicable

  Scenario: PRE-09 cannot tell without the occupation
    Given the loan file "ordinary personal business loan"
    And borrower.public_official is missing
    When the file is judged by PRE-09
    Then the outcome is unknown
    And the missing facts are borrower.public_official
