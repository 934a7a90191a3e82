Feature: Approved exceptions
  A breach within the scope of a waiver is waived if the waiver is in force on the day judged and its approver was
  entitled to it. A waiver that has run out, or was beyond authority, leaves the breach as it is.

  Scenario Outline: DOC-12 is waived for one product of one branch, for a time
    Given the loan file "ordinary working-capital loan"
    And application.branch is <branch>
    And application.product is <product>
    And there are no documents
    And approval.decided_on is <day>
    When the file is judged by DOC-12
    Then the outcome is <outcome>

    Examples:
      | branch   | product         | day        | outcome |
      | 金塬支行 | working_capital | 2022-12-31 | breach  |
      | 金塬支行 | working_capital | 2023-01-01 | waived  |
      | 金塬支行 | working_capital | 2023-08-21 | waived  |
      | 金塬支行 | working_capital | 2024-06-30 | waived  |
      | 金塬支行 | working_capital | 2024-07-01 | breach  |
      | 金塬支行 | fixed_asset     | 2023-08-21 | breach  |
      | 滨江支行 | working_capital | 2023-08-21 | breach  |

  Scenario: a waiver does not reach a file whose branch is lacking
    Given the loan file "working-capital loan before July 2024"
    And application.branch is missing
    And there are no documents
    When the file is judged by DOC-12
    Then the outcome is breach

  Scenario: a waiver changes neither a pass nor an unknown
    Given the loan file "working-capital loan before July 2024"
    And application.branch is 金塬支行
    When the file is judged by DOC-12
    Then the outcome is pass

  Scenario: what is unknown stays unknown under a waiver
    Given the loan file "working-capital loan before July 2024"
    And application.branch is 金塬支行
    And documents is missing
    When the file is judged by DOC-12
    Then the outcome is unknown

  Scenario Outline: LTV-08 is waived while the panel of valuers is renewed
    Given the loan file "ordinary working-capital loan"
    And application.branch is 望沙支行
    And collateral are
      | id      | kind       | appraised_on |
      | P000001 | commercial | 2022-03-01   |
    And the book is dated <day>
    When the file is judged by LTV-08
    Then the outcome is <outcome>

    Examples:
      | day        | outcome |
      | 2024-06-30 | breach  |
      | 2024-12-31 | waived  |
      | 2025-06-30 | waived  |
      | 2025-07-01 | breach  |

  Scenario Outline: the waiver of PST-04 has run out
    Given the loan file "working-capital loan before July 2024"
    And application.product is personal_business
    And application.branch is 金塬支行
    And there are no inspections
    And the book is dated <day>
    When the file is judged by PST-04
    Then the outcome is <outcome>

    Examples:
      | day        | outcome |
      | 2024-09-30 | waived  |
      | 2024-10-01 | breach  |
      | 2024-12-31 | breach  |

  Scenario: the waiver of CB-02 was beyond the authority of its approver
    Given the loan file "ordinary working-capital loan"
    And application.branch is 金塬支行
    And there are no queries
    When the file is judged by CB-02
    Then the outcome is breach
