@cancellation @use.with_engine=counting @serial
Feature: A storm of clients that leave costs nobody else a token
  A page is reloaded by everybody, a proxy gives up on all that it waits for: within seconds many people leave in the
  middle of their answers. The workers must be free of them at once, and whoever stays must not notice.

  Rule: However many leave, each is worked for at most 1 second longer, and nobody else loses a token

    Scenario Outline: Those who stay in a storm have their answers and the others are let go
      Given a <backend> deployment with 2 workers that serve 64 requests at a time each
      When 80 clients ask for 200 tokens each, 30 a second, and about half of them leave at random moments
      Then those who stay receive each token exactly once
      And nobody is worked for longer than 1 second after leaving
      And within 2 seconds no worker holds anything for them
      And each of those who left is counted exactly once

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

    Scenario Outline: Those who stay in a storm have their answers also where newcomers wait for the places of others
      Given a <backend> deployment with 2 workers that serve 16 requests at a time each
      When 80 clients ask for 200 tokens each, 30 a second, and about half of them leave at random moments
      Then those who stay receive each token exactly once
      And some of them had to wait for their turn
      And nobody is worked for longer than 1 second after leaving
      And within 2 seconds no worker holds anything for them
      And each of those who left is counted exactly once

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
