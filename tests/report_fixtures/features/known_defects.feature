@migration
Feature: Known defects of Dynamo

  @known_defect
  Scenario: A defect is still there
    Known defect: usage counts replayed tokens (dynamo#1234)

    When a request is sent
    Then it lost tokens 3 to 4

  @known_defect @errs
  Scenario: A defect cannot be judged
    Known defect: usage counts replayed tokens

    When the fault does not happen

  @known_defect @gone
  Scenario: A defect is gone
    Known defect: the gauge says 0

    Then all is well

  @known_defect @elsewhere
  Scenario: Something else is broken
    Known defect: the gauge says 0

    Then it lost tokens 3 to 4
    And all is well
