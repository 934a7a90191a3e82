Feature: Turnaround in working days, with the log's end

  Background:
    Given the loan file "approved application"

  Scenario Outline: TRN-01 a decision within twenty working days
    Given application.submitted_on is 2011-12-01
    And decision.decided_on is <day>
    When the file is judged by TRN-01
    Then the outcome is <outcome>

    # 20 working days after 1 December 2011: 26 December is a holiday
    Examples:
      | day        | outcome |
      | 2011-12-30 | pass    |
      | 2012-01-02 | breach  |

  Scenario Outline: TRN-01 an open application at the end of the log
    Given application.submitted_on is <submitted>
    And decision.outcome is open
    And decision.decided_on is missing
    When the file is judged by TRN-01
    Then the outcome is <outcome>

    Examples:
      | submitted  | outcome |
      | 2012-02-14 | breach  |
      | 2012-02-15 | not due |
      | 2012-02-29 | not due |

  Scenario Outline: TRN-02 an offer by the working day after acceptance
    Given acceptance.accepted_on is 2011-11-04
    And offers are
      | date  | step | officer_id |
      | <day> | sent | 11169      |
    When the file is judged by TRN-02
    Then the outcome is <outcome>

    Examples:
      | day        | outcome |
      | 2011-11-04 | pass    |
      | 2011-11-07 | pass    |
      | 2011-11-08 | breach  |
      | 2011-11-03 | breach  |

  Scenario: TRN-02 does not apply without acceptance
    Given acceptance.accepted_on is missing
    When the file is judged by TRN-02
    Then the outcome is not applicable

  Scenario: TRN-03 an offer that came back is assessed in time
    When the file is judged by TRN-03
    Then the outcome is pass

  Scenario: TRN-03 an assessment that begins too late
    Given work are
      | date       | kind               | transition | officer_id |
      | 2011-11-18 | assess_application | start      | 10138      |
    When the file is judged by TRN-03
    Then the outcome is breach

  Scenario: TRN-03 no offer came back
    Given there are no offers
    When the file is judged by TRN-03
    Then the outcome is not applicable

  Scenario: LOG-01 a finished event without an officer
    Given events are
      | date       | transition | officer_id |
      | 2011-11-02 | complete   |            |
    When the file is judged by LOG-01
    Then the outcome is breach

  Scenario: LOG-01 who starts may be unrecorded
    Given events are
      | date       | transition | officer_id |
      | 2011-11-02 | start      |            |
    When the file is judged by LOG-01
    Then the outcome is pass

  Scenario Outline: LOG-02 the number of events
    Given application.log_events is <number>
    When the file is judged by LOG-02
    Then the outcome is <outcome>

    Examples:
      | number | outcome |
      | 3      | pass    |
      | 4      | breach  |
