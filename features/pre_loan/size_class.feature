Feature: Size class of the firm
  A cascade on lower bounds: a class needs every bound of its industry, otherwise the next smaller one is tried.

  Background:
    Given the loan file "ordinary working-capital loan"

  Scenario: PRE-10 agrees with the figures
    When the file is judged by PRE-10
    Then the outcome is pass
    And the decision size_by_standard is small
    And the decision size_industry is industry

  Scenario Outline: PRE-10 finds a class that the figures do not give
    Given borrower.size_class is <recorded>
    When the file is judged by PRE-10
    Then the outcome is <outcome>

    Examples:
      | recorded | outcome |
      | micro    | breach  |
      | small    | pass    |
      | medium   | breach  |

  Scenario Outline: the standard at its bounds
    Given borrower.industry_section is <section>
    And borrower.industry_code is "<code>"
    And borrower.employees is <staff>
    And declared.revenue is <revenue>
    And borrower.total_assets is <assets>
    When the file is judged by PRE-10
    Then the decision size_industry is <class>
    And the decision size_by_standard is <size>

    Examples: Manufacturing; 350 staff with 15 million is small, not micro
      | section | code | staff | revenue      | assets   | class    | size   |
      | C       | 3484 | 1000  | 400000000    | 0        | industry | large  |
      | C       | 3484 | 999   | 400000000    | 0        | industry | medium |
      | C       | 3484 | 1000  | 399999999.99 | 0        | industry | medium |
      | C       | 3484 | 300   | 20000000     | 0        | industry | medium |
      | C       | 3484 | 299   | 20000000     | 0        | industry | small  |
      | C       | 3484 | 300   | 19999999.99  | 0        | industry | small  |
      | C       | 3484 | 350   | 15000000     | 0        | industry | small  |
      | C       | 3484 | 20    | 3000000      | 0        | industry | small  |
      | C       | 3484 | 19    | 3000000      | 0        | industry | micro  |
      | C       | 3484 | 20    | 2999999.99   | 0        | industry | micro  |
      | B       | 0610 | 300   | 20000000     | 0        | industry | medium |
      | D       | 4411 | 300   | 20000000     | 0        | industry | medium |

    Examples: Other industries at the bounds of medium and small
      | section | code | staff | revenue     | assets      | class                | size   |
      | A       | 0111 | 0     | 5000000     | 0           | agriculture          | medium |
      | A       | 0111 | 0     | 499999.99   | 0           | agriculture          | micro  |
      | E       | 4710 | 0     | 60000000    | 50000000    | construction         | medium |
      | E       | 4710 | 0     | 60000000    | 49999999.99 | construction         | small  |
      | E       | 4710 | 0     | 3000000     | 2999999.99  | construction         | micro  |
      | F       | 5121 | 20    | 50000000    | 0           | wholesale            | medium |
      | F       | 5121 | 19    | 50000000    | 0           | wholesale            | small  |
      | F       | 5121 | 5     | 9999999.99  | 0           | wholesale            | micro  |
      | F       | 5211 | 50    | 5000000     | 0           | retail               | medium |
      | F       | 5211 | 10    | 1000000     | 0           | retail               | small  |
      | F       | 5211 | 9     | 1000000     | 0           | retail               | micro  |
      | G       | 5430 | 300   | 30000000    | 0           | transport            | medium |
      | G       | 5430 | 20    | 2000000     | 0           | transport            | small  |
      | G       | 5990 | 100   | 10000000    | 0           | warehousing          | medium |
      | G       | 5990 | 20    | 999999.99   | 0           | warehousing          | micro  |
      | G       | 6020 | 300   | 20000000    | 0           | post                 | medium |
      | G       | 5310 | 100   | 0           | 0           | other                | medium |
      | H       | 6210 | 100   | 20000000    | 0           | hospitality          | medium |
      | H       | 6210 | 10    | 1000000     | 0           | hospitality          | small  |
      | I       | 6420 | 100   | 10000000    | 0           | information          | medium |
      | I       | 6513 | 10    | 500000      | 0           | software             | small  |
      | I       | 6513 | 10    | 499999.99   | 0           | software             | micro  |
      | K       | 7010 | 0     | 10000000    | 50000000    | property_development | medium |
      | K       | 7020 | 300   | 10000000    | 0           | property_services    | medium |
      | K       | 7020 | 100   | 5000000     | 0           | property_services    | small  |
      | K       | 7030 | 10    | 0           | 0           | other                | small  |
      | L       | 7244 | 100   | 0           | 80000000    | leasing              | medium |
      | L       | 7244 | 100   | 0           | 79999999.99 | leasing              | small  |
      | P       | 8391 | 100   | 0           | 0           | other                | medium |
      | P       | 8391 | 10    | 0           | 0           | other                | small  |
      | P       | 8391 | 9     | 0           | 0           | other                | micro  |

  Scenario: PRE-10 does not speak of people
    Given borrower.kind is individual_owner
    And borrower.size_class is large
    When the file is judged by PRE-10
    Then the outcome is not applicable

  Scenario Outline: PRE-10 cannot tell without the figures
    Given <fact> is missing
    When the file is judged by PRE-10
    Then the outcome is unknown
    And the missing facts are <fact>

    Examples:
      | fact                |
      | borrower.size_class |
      | borrower.employees  |

  Scenario: PRE-10 needs no revenue where the staff alone settles the class
    Given borrower.employees is 15
    And borrower.size_class is micro
    And declared.revenue is missing
    When the file is judged by PRE-10
    Then the outcome is pass
