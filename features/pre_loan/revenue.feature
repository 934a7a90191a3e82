Feature: Declared revenue against third-party data

  Background:
    Given the loan file "ordinary working-capital loan"

  Scenario Outline: XV-01 compares with invoiced sales of 20,000,000
    Given third_party.vat_sales is 20000000
    And declared.revenue is <revenue>
    And investigation.enhanced is <enhanced>
    When the file is judged by XV-01
    Then the outcome is <outcome>

    Examples:
      | revenue     | enhanced | outcome |
      | 20000000    | false    | pass    |
      | 23999999.99 | false    | pass    |
      | 24000000    | false    | pass    |
      | 24000000.01 | false    | breach  |
      | 24000000.01 | true     | pass    |
      | 28000000    | true     | pass    |
      | 28000000.01 | true     | breach  |
      | 40000000    | true     | breach  |
      | 16000000    | false    | pass    |
      | 15999999.99 | false    | breach  |
      | 12000000    | true     | pass    |
      | 11999999.99 | true     | breach  |

  Scenario: XV-01 cannot tell whether a gap was explained
    Given third_party.vat_sales is 20000000
    And declared.revenue is 26000000
    And investigation.enhanced is missing
    When the file is judged by XV-01
    Then the outcome is unknown
    And the missing facts are investigation.enhanced

  Scenario: XV-01 needs no explanation for a small gap
    Given investigation.enhanced is missing
    When the file is judged by XV-01
    Then the outcome is pass

  Scenario: XV-01 cannot tell without the invoices
    Given third_party.vat_sales is missing
    When the file is judged by XV-01
    Then the outcome is unknown
    And the missing facts are third_party.vat_sales

  Scenario: XV-01 does not divide by sales of nothing
    Given third_party.vat_sales is 0
    When the file is judged by XV-01
    Then the outcome is breach

  Scenario: XV-01 does not speak of consumption loans
    Given application.product is personal_consumption
    And third_party.vat_sales is 0
    When the file is judged by XV-01
    Then the outcome is not applicable

  Scenario Outline: XV-02 compares with 20,000,000 filed for tax
    Given third_party.tax_filed_revenue is 20000000
    And declared.revenue is <revenue>
    When the file is judged by XV-02
    Then the outcome is <outcome>

    Examples:
      | revenue     | outcome |
      | 15999999.99 | breach  |
      | 16000000    | pass    |
      | 24000000    | pass    |
      | 24000000.01 | breach  |

  Scenario: XV-02 cannot tell without the tax returns
    Given third_party.tax_filed_revenue is missing
    When the file is judged by XV-02
    Then the outcome is unknown
    And the missing facts are third_party.tax_filed_revenue

  Scenario: XV-02 does not speak of refused applications
    Given third_party.tax_filed_revenue is 1000000
    And approval.decision is rejected
    When the file is judged by XV-02
    Then the outcome is not applicable

  Scenario Outline: XV-03 asks for an inflow of 70 to 130 per cent of 20,000,000
    Given declared.revenue is 20000000
    And third_party.bank_inflow is <inflow>
    When the file is judged by XV-03
    Then the outcome is <outcome>

    Examples:
      | inflow      | outcome |
      | 13999999.99 | breach  |
      | 14000000    | pass    |
      | 26000000    | pass    |
      | 26000000.01 | breach  |

  Scenario Outline: XV-03 is in force from 2021-03-26 on
    Given third_party.bank_inflow is 1000000
    And approval.decided_on is <day>
    When the file is judged by XV-03
    Then the outcome is <outcome>

    Examples:
      | day        | outcome        |
      | 2021-03-25 | not applicable |
      | 2021-03-26 | breach         |

  Scenario: XV-03 cannot tell without the inflow
    Given third_party.bank_inflow is missing
    When the file is judged by XV-03
    Then the outcome is unknown
    And the missing facts are third_party.bank_inflow

  Scenario: XV-03 does not speak of consumption loans
    Given application.product is personal_consumption
    And third_party.bank_inflow is 1000000
    When the file is judged by XV-03
    Then the outcome is not applicable
