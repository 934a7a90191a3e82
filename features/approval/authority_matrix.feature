Feature: Authority matrix and its modifiers

  The matrix gives a level for the exposure of the connected group and the main security; the modifiers apply in order.

  Background:
    Given a loan file
    And approval.decided_on is 2024-08-21
    And approval.decision is approved
    And approval.level is 1
    And approval.term_months is 12
    And approval.hard_rule_exception is false
    And application.is_new_customer is false
    And rating.grade is A1
    And borrower.industry_restriction is normal
    And borrower.is_related_person is false
    And network.circle_size is 1

  Scenario Outline: AUT-01 every row of the matrix, at its limit and one fen above
    Given application.security is <security>
    And approval.group_exposure is <exposure>
    When the file is judged by AUT-01
    Then the decision authority is <level>
    And the decision required_level is <level>

    Examples: real-estate mortgage
      | security    | exposure    | level |
      | real_estate | 4999999.99  | 1     |
      | real_estate | 5000000.00  | 1     |
      | real_estate | 5000000.01  | 2     |
      | real_estate | 10000000.00 | 2     |
      | real_estate | 10000000.01 | 3     |
      | real_estate | 20000000.00 | 3     |
      | real_estate | 20000000.01 | 4     |
      | real_estate | 30000000.00 | 4     |
      | real_estate | 30000000.01 | 5     |

    Examples: pledge of deposits and notes
      | security       | exposure     | level |
      | deposit_pledge | 10000000.00  | 1     |
      | deposit_pledge | 10000000.01  | 2     |
      | deposit_pledge | 20000000.00  | 2     |
      | deposit_pledge | 20000000.01  | 3     |
      | deposit_pledge | 50000000.00  | 3     |
      | deposit_pledge | 50000000.01  | 4     |
      | deposit_pledge | 100000000.00 | 4     |
      | deposit_pledge | 100000000.01 | 5     |

    Examples: other collateral
      | security         | exposure    | level |
      | other_collateral | 2000000.00  | 1     |
      | other_collateral | 2000000.01  | 2     |
      | other_collateral | 5000000.00  | 2     |
      | other_collateral | 5000000.01  | 3     |
      | other_collateral | 10000000.00 | 3     |
      | other_collateral | 10000000.01 | 4     |
      | other_collateral | 20000000.00 | 4     |
      | other_collateral | 20000000.01 | 5     |

    Examples: guarantee company
      | security          | exposure    | level |
      | guarantee_company | 2000000.00  | 1     |
      | guarantee_company | 2000000.01  | 2     |
      | guarantee_company | 5000000.00  | 2     |
      | guarantee_company | 5000000.01  | 3     |
      | guarantee_company | 10000000.00 | 3     |
      | guarantee_company | 10000000.01 | 4     |
      | guarantee_company | 20000000.00 | 4     |
      | guarantee_company | 20000000.01 | 5     |

    Examples: guarantee of a firm or person
      | security  | exposure    | level |
      | guarantee | 1000000.00  | 1     |
      | guarantee | 1000000.01  | 2     |
      | guarantee | 3000000.00  | 2     |
      | guarantee | 3000000.01  | 3     |
      | guarantee | 5000000.00  | 3     |
      | guarantee | 5000000.01  | 4     |
      | guarantee | 10000000.00 | 4     |
      | guarantee | 10000000.01 | 5     |

    Examples: unsecured
      | security  | exposure   | level |
      | unsecured | 300000.00  | 1     |
      | unsecured | 300000.01  | 2     |
      | unsecured | 1000000.00 | 2     |
      | unsecured | 1000000.01 | 3     |
      | unsecured | 3000000.00 | 3     |
      | unsecured | 3000000.01 | 4     |
      | unsecured | 5000000.00 | 4     |
      | unsecured | 5000000.01 | 5     |

  Scenario Outline: AUT-01 each modifier alone
    Given application.security is real_estate
    And approval.group_exposure is 5000000
    And <fact> is <value>
    When the file is judged by AUT-01
    Then the decision required_level is <level>

    Examples:
      | fact                          | value   | level |
      | approval.term_months          | 36      | 1     |
      | approval.term_months          | 37      | 2     |
      | application.is_new_customer   | true    | 1     |
      | rating.grade                  | A2      | 1     |
      | rating.grade                  | B1      | 2     |
      | rating.grade                  | B2      | 2     |
      | rating.grade                  | C       | 2     |
      | borrower.industry_restriction | capped  | 1     |
      | borrower.industry_restriction | hq_only | 4     |
      | borrower.industry_restriction | banned  | 4     |
      | approval.hard_rule_exception  | true    | 2     |
      | network.circle_size           | 2       | 2     |
      | network.circle_size           | 7       | 2     |
      | borrower.is_related_person    | true    | 5     |

  Scenario: AUT-01 a new customer without security goes one level up
    Given application.security is unsecured
    And approval.group_exposure is 300000
    And application.is_new_customer is true
    When the file is judged by AUT-01
    Then the decision authority_modifiers is 1
    And the decision required_level is 2

  Scenario Outline: AUT-01 modifiers add up in their order
    Given application.security is real_estate
    And approval.group_exposure is <exposure>
    And approval.term_months is <term>
    And rating.grade is <grade>
    And borrower.industry_restriction is <industry>
    And approval.hard_rule_exception is <exception>
    And network.circle_size is <circle>
    When the file is judged by AUT-01
    Then the decision required_level is <level>

    Examples:
      | exposure | term | grade | industry | exception | circle | level |
      | 5000000  | 48   | B1    | normal   | false     | 1      | 3     |
      | 5000000  | 48   | B1    | normal   | true      | 2      | 5     |
      | 5000000  | 48   | B1    | hq_only  | false     | 1      | 4     |
      | 5000000  | 12   | A1    | hq_only  | true      | 1      | 5     |
      | 25000000 | 48   | B2    | normal   | true      | 3      | 5     |

  Scenario: AUT-01 the level is open while the term is not known
    Given application.security is real_estate
    And approval.group_exposure is 5000000
    And approval.term_months is missing
    When the file is judged by AUT-01
    Then the outcome is unknown
    And the missing facts are approval.term_months
