@broken_after_feature
Feature: Its after_feature hook fails

  Scenario: It passed before
    Then all is well
