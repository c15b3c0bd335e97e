@deployment
Feature: Requests go to the workers that are there
  Workers come and go all day: they are added at noon, taken away at night, and some cannot stay up. Whoever sends the
  requests must know who is there, no ghosts of those who were.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  Rule: Within 12 seconds of each change exactly those who serve are listed, and nothing is left of those who went

    Scenario Outline: A worker that dies five times in a row leaves no ghost
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one worker is killed and started again 5 times under this load
      Then every request is answered as before within 25 seconds
      And the list of those who serve is right within 12 seconds of each change
      And every client hears within 12 seconds what becomes of its request
      And no token is lost or repeated
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

    Scenario Outline: A deployment that grows and shrinks under load lists each worker once
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When this happens under the load
        | what happens       | to whom       | when              |
        | joined by one more | one worker    | after 40 requests |
        | joined by one more | one worker    | 1 second later    |
        | taken away         | one worker    | 1 second later    |
        | taken away         | one worker    | 1 second later    |
      Then every request is answered in full
      And the list of those who serve is right within 12 seconds of each change
      And no token is lost or repeated
      And what Dynamo counts is what the clients saw
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
