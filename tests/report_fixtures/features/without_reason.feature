Feature: A mark without a reason

  @known_defect
  Scenario: Nobody said why
    Then all is well
