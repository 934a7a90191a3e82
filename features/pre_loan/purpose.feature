Feature: What the loan pays for

  Scenario Outline: PUR-01 by purpose and day
    Given the loan file "ordinary working-capital loan"
    And application.purpose is <purpose>
    And approval.decided_on is <day>
    When the file is judged by PUR-01
    Then the outcome is <outcome>
    And the version in force is from <version>

    Examples:
      | purpose        | day        | outcome | version    |
      | raw_materials  | 2024-07-01 | pass    | 2024-07-01 |
      | stock          | 2024-07-01 | pass    | 2024-07-01 |
      | wages          | 2024-07-01 | pass    | 2024-07-01 |
      | rent           | 2024-07-01 | pass    | 2024-07-01 |
      | other          | 2024-07-01 | pass    | 2024-07-01 |
      | dividend       | 2024-07-01 | breach  | 2024-07-01 |
      | securities     | 2024-07-01 | breach  | 2024-07-01 |
      | equity         | 2024-07-01 | breach  | 2024-07-01 |
      | property       | 2024-07-01 | breach  | 2024-07-01 |
      | equipment      | 2024-07-01 | breach  | 2024-07-01 |
      | plant          | 2024-07-01 | breach  | 2024-07-01 |
      | wealth_product | 2024-07-01 | breach  | 2024-07-01 |
      | deposit        | 2024-07-01 | breach  | 2024-07-01 |
      | dividend       | 2024-06-30 | pass    | 2015-01-01 |
      | securities     | 2024-06-30 | pass    | 2015-01-01 |
      | equity         | 2024-06-30 | breach  | 2015-01-01 |
      | equipment      | 2024-06-30 | breach  | 2015-01-01 |
      | plant          | 2024-06-30 | breach  | 2015-01-01 |

  Scenario: PUR-01 does not speak of fixed-asset loans
    Given the loan file "ordinary working-capital loan"
    And application.product is fixed_asset
    And application.purpose is equipment
    When the file is judged by PUR-01
    Then the outcome is not applicable

  Scenario: PUR-01 cannot tell without the purpose
    Given the loan file "ordinary working-capital loan"
    And application.purpose is missing
    When the file is judged by PUR-01
    Then the outcome is unknown
    And the missing facts are application.purpose

  Scenario Outline: PUR-02 keeps operating loans out of property
    Given the loan file "ordinary personal business loan"
    And application.product is <product>
    And application.purpose is <purpose>
    When the file is judged by PUR-02
    Then the outcome is <outcome>

    Examples:
      | product              | purpose  | outcome        |
      | personal_business    | stock    | pass           |
      | personal_business    | property | breach         |
      | working_capital      | property | breach         |
      | fixed_asset          | property | not applicable |
      | personal_consumption | property | not applicable |

  Scenario Outline: PUR-02 is in force from 2021-03-26 on
    Given the loan file "ordinary personal business loan"
    And application.purpose is property
    And approval.decided_on is <day>
    When the file is judged by PUR-02
    Then the outcome is <outcome>

    Examples:
      | day        | outcome        |
      | 2021-03-25 | not applicable |
      | 2021-03-26 | breach         |

  Scenario: PUR-02 cannot tell without the purpose
    Given the loan file "ordinary personal business loan"
    And application.purpose is missing
    When the file is judged by PUR-02
    Then the outcome is unknown
    And the missing facts are application.purpose
