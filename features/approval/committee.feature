Feature: Credit committee

  Background:
    Given a loan file
    And approval.decided_on is 2024-09-27
    And approval.level is 3
    And approval.named_votes is true
    And approval.minutes_id is "DSH2024-38"
    And approval.committee_members is 7
    And approval.committee_present is 6

  Scenario: APR-06 a committee that keeps its rules
    When the file is judged by APR-06
    Then the outcome is pass

  Scenario: APR-06 votes without names
    Given approval.named_votes is false
    When the file is judged by APR-06
    Then the outcome is breach

  Scenario: APR-06 no trace of minutes
    Given approval.minutes_id is missing
    When the file is judged by APR-06
    Then the outcome is breach

  Scenario Outline: APR-06 at least five members, an odd number, two thirds present
    Given approval.level is <level>
    And approval.committee_members is <members>
    And approval.committee_present is <present>
    When the file is judged by APR-06
    Then the outcome is <outcome>

    Examples:
      | level | members | present | outcome        |
      | 3     | 5       | 5       | pass           |
      | 3     | 5       | 4       | pass           |
      | 3     | 5       | 3       | breach         |
      | 3     | 3       | 3       | breach         |
      | 3     | 6       | 6       | breach         |
      | 5     | 9       | 6       | pass           |
      | 5     | 9       | 5       | breach         |
      | 4     | 3       | 1       | not applicable |
      | 1     | 3       | 1       | not applicable |

  Scenario: APR-06 is open while the number present is not known
    Given approval.committee_present is missing
    When the file is judged by APR-06
    Then the outcome is unknown
    And the missing facts are approval.committee_present
