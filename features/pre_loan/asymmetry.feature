Feature: The asymmetry index
  Six sources weigh 0.20, 0.20, 0.20, 0.15, 0.10 and 0.15; one that is lacking counts half.

  Background:
    Given the loan file "ordinary working-capital loan"

  Scenario Outline: XV-12 by the sources that disagree
    Given third_party.vat_sales is <invoices>
    And third_party.tax_filed_revenue is <tax>
    And third_party.bank_inflow is <inflow>
    And third_party.electricity_kwh is <kwh>
    And third_party.social_insurance_heads is <heads>
    And bureau.balance is <debt>
    And investigation.enhanced is <enhanced>
    When the file is judged by XV-12
    Then the outcome is <outcome>
    And the decision asymmetry_index is <index>

    Examples:
      | invoices | tax      | inflow   | kwh    | heads | debt    | enhanced | index | outcome        |
      | 25100000 | 25400000 | 24800000 | 412000 | 61    | 6000000 | false    | 0     | not applicable |
      | 20000000 | 25400000 | 24800000 | 250000 | 61    | 6000000 | false    | 0.35  | not applicable |
      | 20000000 | 20000000 | 24800000 | 412000 | 61    | 6000000 | false    | 0.40  | breach         |
      | 20000000 | 20000000 | 24800000 | 412000 | 61    | 6000000 | true     | 0.40  | pass           |
      | 20000000 | 20000000 | 24800000 | 412000 | 61    | 9000000 | true     | 0.55  | pass           |
      | 20000000 | 20000000 | 15000000 | 412000 | 61    | 6000000 | true     | 0.60  | breach         |
      | 20000000 | 20000000 | 15000000 | 250000 | 20    | 9000000 | true     | 1     | breach         |

  Scenario Outline: a source that is lacking counts half
    Given <fact> is missing
    When the file is judged by XV-12
    Then the decision asymmetry_index is <index>
    And the outcome is <outcome>

    Examples:
      | fact                               | index | outcome        |
      | third_party.vat_sales              | 0.10  | not applicable |
      | third_party.tax_filed_revenue      | 0.10  | not applicable |
      | third_party.bank_inflow            | 0.10  | not applicable |
      | third_party.electricity_kwh        | 0.075 | not applicable |
      | third_party.social_insurance_heads | 0.05  | not applicable |
      | bureau.balance                     | 0.075 | not applicable |
      | declared.revenue                   | 0.375 | not applicable |

  Scenario: XV-12 asks for enhanced verification when all sources are lacking
    Given third_party.vat_sales is missing
    And third_party.tax_filed_revenue is missing
    And third_party.bank_inflow is missing
    And third_party.electricity_kwh is missing
    And third_party.social_insurance_heads is missing
    And bureau.balance is missing
    When the file is judged by XV-12
    Then the decision asymmetry_index is 0.5
    And the outcome is breach

  Scenario: XV-12 cannot tell whether the verification was enhanced
    Given third_party.vat_sales is 20000000
    And third_party.tax_filed_revenue is 20000000
    And investigation.enhanced is missing
    When the file is judged by XV-12
    Then the outcome is unknown
    And the missing facts are investigation.enhanced
