Feature: Inspections have photos and reports of their own

  Background:
    Given a loan file
    And the book is dated 2024-12-31
    And visits are
      | date       | photos     |
      | 2024-08-09 | aa11, bb22 |
      | 2024-08-12 | cc33       |

  Scenario Outline: PST-10 no photo of the investigation
    Given inspections are
      | type    | done_on    | photos     |
      | first   | 2024-09-05 | dd44, ee55 |
      | routine | 2024-11-20 | <photos>   |
    When the file is judged by PST-10
    Then the outcome is <outcome>

    Examples:
      | photos     | outcome |
      | ff66       | pass    |
      | ff66, aa11 | breach  |
      | cc33       | breach  |
      | dd44       | pass    |
      |            | unknown |

  Scenario: PST-10 does not apply without an inspection
    Given there are no inspections
    When the file is judged by PST-10
    Then the outcome is not applicable

  Scenario: PST-10 is open while the visits are not known
    Given visits is missing
    And inspections are
      | type  | done_on    | photos     |
      | first | 2024-09-05 | dd44, ee55 |
    When the file is judged by PST-10
    Then the outcome is unknown
    And the missing facts are visits

  Scenario Outline: PST-11 similarity to the report before
    Given inspections are
      | type    | done_on    | similarity   |
      | first   | 2024-09-05 |              |
      | routine | 2024-11-20 | <similarity> |
    When the file is judged by PST-11
    Then the outcome is <outcome>

    Examples:
      | similarity | outcome |
      | 0.31       | pass    |
      | 0.89999999 | pass    |
      | 0.90       | breach  |
      | 0.90000001 | breach  |
      | 0.97       | breach  |
      |            | unknown |

  Scenario: PST-11 does not apply to a first report, which has none before it
    Given inspections are
      | type  | done_on    | similarity |
      | first | 2024-09-05 | 0.95       |
    When the file is judged by PST-11
    Then the outcome is not applicable
