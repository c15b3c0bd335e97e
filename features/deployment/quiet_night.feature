@deployment
Feature: Nobody is woken for one failure after the other
  At night nobody watches. Machines fail one by one, each for its own reason, and a deployment that starts
  again what has ended must be as good in the morning as it was in the evening.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  Rule: After each failure all is as before within 15 seconds, and in the morning nothing has piled up

    Scenario Outline: Workers that fail one after the other cost nobody an answer for long
      Given a <backend> deployment with 3 workers that allows 3 migrations, where what ends is started again
      And 5 requests a second for 50 tokens each
      When a worker fails every 20 seconds, 3 times in all, under this load
      Then every failure is recovered from within 15 seconds
      And every client hears within 12 seconds what becomes of its request
      And no token is lost or repeated
      And nothing piles up in the deployment
      And within 15 seconds the frontend knows each worker once

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

    @slow
    Scenario Outline: After 30 minutes with a failure in each of them nothing has piled up
      Given a <backend> deployment with 3 workers that allows 3 migrations, where what ends is started again
      And 5 requests a second for 50 tokens each
      When a worker fails every 60 seconds, 30 times in all, under this load
      Then every failure is recovered from within 15 seconds
      And every client hears within 12 seconds what becomes of its request
      And no token is lost or repeated
      And nothing piles up in the deployment
      And within 15 seconds the frontend knows each worker once

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
