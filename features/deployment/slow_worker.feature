@deployment @serial
Feature: A slow worker slows down nobody but itself
  A machine that is too hot, or shares its board with a noisy neighbour, answers everything, but ten times later. No
  health check finds it. Its own answers are late; the others' must not be, and who sends the requests should notice.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  Rule: The answers of the other workers come within 1 second, as ever, and none is lost

    @use.with_engine=counting
    Scenario Outline: A slow worker keeps its own clients waiting and no others
      Given a <backend> deployment with 3 workers that get requests in turn
      And 20 requests a second for 50 tokens each, whose answers say who gave them
      When one worker is ten times slower for 5 seconds under this load
      Then every request is answered in full
      And no token is lost or repeated
      And 99 of 100 answers of the other workers are complete within 1 second
      And nothing piles up in the deployment

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

  Rule: Where requests are spread by load, a slow worker of three gets at most one in four

    @use.with_engine=counting
    Scenario Outline: A slow worker is spared where requests are spread <spread>
      Given a <backend> deployment with 3 workers that get requests <spread>
      And 20 requests a second for 50 tokens each, whose answers say who gave them
      When one worker is ten times slower for 10 seconds under this load
      Then the slow worker gives at most 25 of 100 answers
      And every request is answered in full
      And no token is lost or repeated
      And 99 of 100 answers of the other workers are complete within 1 second

      @vllm
      Examples: vLLM
        | backend | spread         |
        | vllm    | by load        |
        | vllm    | by load of two |
        | vllm    | by memory      |

      @sglang
      Examples: SGLang
        | backend | spread    |
        | sglang  | by memory |

      @trtllm
      Examples: TensorRT-LLM
        | backend | spread    |
        | trtllm  | by memory |
