Feature: A wait says what it waits for

  Scenario: It waits long
    When a long wait is needed
