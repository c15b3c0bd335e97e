@deployment
Feature: A deployment under load survives the loss of workers
  Many people ask at the same time, and machines die under them. Whoever signs an upgrade wants to see that
  nobody's answer suffers, how long it takes until all is as before, and that nothing piles up.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and 3 seconds after.

  Rule: While one worker is left, every request is answered in full, and within 5 seconds as before

    Scenario Outline: A worker that is killed under load costs nobody a token
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one worker is killed under this load
      Then every request is answered in full
      And no token is lost or repeated
      And at least 1 running request is moved to another worker
      And every request is answered as before within 5 seconds
      And what Dynamo counts is what the clients saw
      And nothing piles up in the deployment

      @vllm @smoke
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

    Scenario Outline: Workers that die a moment apart cost nobody a token
      Given a <backend> deployment with 3 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When this happens under the load
        | what happens | to whom    | when               |
        | killed       | one worker | after 40 requests  |
        | killed       | one worker | 0.3 seconds later  |
      Then every request is answered in full
      And no token is lost or repeated
      And every request is answered as before within 5 seconds

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
