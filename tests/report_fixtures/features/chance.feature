@migration @known_defect_by_chance.lost_lease
Feature: A known defect that is met by chance

  @met
  Scenario: A defect is met by chance
    Then it lost tokens 3 to 4
    And all is well

  Scenario: A defect is not met
    Then all is well

  @unmet
  Scenario: Something else is broken, without a trace
    Then it lost tokens 3 to 4

  @met @wrong
  Scenario: A defect is met, and an answer that completed is wrong
    Then an answer is wrong

  @met @errs
  Scenario: A defect is met, and nothing can be judged
    When the fault does not happen

  @met
  Scenario: A part of it ends by chance
    When a part of it ends
    Then all is well

  @unmet
  Scenario: A part of it ends of something else
    When a part of it ends

  @met @known_defect
  Scenario: A defect is met by chance before the one that is known
    Known defect: it is not well.

    Then it lost tokens 3 to 4
    And all is well

  @met
  Scenario: A defect is met by chance on a machine that is busy
    Then the machine is too busy to tell

  @met @known_defect
  Scenario: A known defect is met on a machine that is busy
    Known defect: it is slow.

    Then the machine is too busy to tell

  @unmet
  Scenario: A machine is busy
    Then the machine is too busy to tell
