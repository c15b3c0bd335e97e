@cancellation @use.with_target=local
Feature: Scenarios end in every way
  People read how each of them ended.

  Background:
    Given a deployment

  @smoke @critical
  Scenario: It passes
    Then all is well

  @deselected
  Scenario: It was not asked for
    Then all is well

  Rule: A promise is kept or broken

    Scenario: It fails
      When a request is sent
      Then it lost tokens 87 to 91
      And all is well

    Scenario Outline: It runs on <backend>
      Then all is well

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @trtllm @gpu
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @evidence
    Scenario: It leaves evidence
      When it leaves evidence
      Then all is well

  Rule: Something else goes wrong

    Scenario: Its fault does not happen
      When the fault does not happen
      Then all is well

    @broken_before
    Scenario: Its deployment does not start
      Then all is well

    @broken_after @evidence
    Scenario: It leaves requests behind
      Then all is well

    @broken_after
    Scenario: It fails and leaves requests behind
      Then it lost tokens 1 to 2

    Scenario: Its clean-up fails
      When the clean-up is bound to fail
      Then all is well

    Scenario: Its step is not there
      When nobody wrote this step
      Then all is well

  Rule: It cannot be judged here

    Scenario: It finds out on the way
      When it turns out to be impossible
      Then all is well

  @broken_rule
  Rule: This rule cannot begin

    Scenario: It never begins
      Then all is well
