@deployment @serial
Feature: Whoever behaves does not suffer for those who do not
  Some clients open an answer and never read it, some monitoring hangs, some other program takes the machine. They
  share the deployment with people who do nothing of the kind, and these must not notice.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  Rule: Clients that do not read are waited for, and others have 99 of 100 answers within 3 seconds

    @use.with_engine=counting
    Scenario Outline: A crowd of clients that do not read costs others no answer
      Given a <backend> deployment with 2 workers that serve 32 fast requests at a time each
      And 10 requests a second for 50 tokens each
      When for 25 seconds 4 clients that do not read and 4 that read 10 letters a second ask for 30000 tokens each on top
      Then every request is answered in full
      And no token is lost or repeated
      And 99 of 100 answers are complete within 3 seconds
      And no part of the deployment needs more than 50 MB more memory meanwhile
      And for each of the 8 at most 18000 tokens are generated
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

  Rule: While monitoring hangs, 99 of 100 answers are complete within 2 seconds, and nobody is missed

    Scenario Outline: A crowd of scrapers that do not read costs nobody an answer
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When for 6 seconds 20 scrapers of each part ask for its numbers and do not read them
      Then every request is answered in full
      And no token is lost or repeated
      And 99 of 100 answers are complete within 2 seconds
      And the list of those who serve is right all the time
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

  Rule: Where another program eats the CPU, every answer comes within 10 seconds, and no worker is taken for dead

    Scenario Outline: A neighbour that eats the CPU makes answers late at most, and loses none
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 10 requests a second for 50 tokens each
      When for 15 seconds a neighbour on the same machine eats the CPU under this load
      Then every request is answered in full
      And no token is lost or repeated
      And half of all answers are complete within 2 seconds, and none takes longer than 10
      And the list of those who serve is right all the time
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
